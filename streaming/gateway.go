// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	reportEvery  = 500 * time.Millisecond
	instanceWait = 60 * time.Second // for an instance that a session has to wait for
	streamDial   = 2 * time.Second
)

// gateway connects users to streams. It lives in the management network, where
// alone streams are reached; only its listener is where users are. It is a
// process of its own: who is connected stays so whatever becomes of up.
type gateway struct {
	home *Home
	log  *slog.Logger
	door secgroup.Door // by which users come

	mu        sync.Mutex
	connected map[string]*presence // by session
	moved     chan struct{}        // capacity 1: connected has changed
}

// presence is a user on a session.
type presence struct {
	streams map[*context.CancelFunc]struct{} // each ends one
	acted   time.Time                        // when the user did something last
}

func runGateway(ctx context.Context, home *Home, network, listen string) error {
	g := newGateway(home, secgroup.Door{})
	l, err := listenForUsers(network, listen, home.GatewayAddress())
	if err != nil {
		return err
	}
	if err := home.setGatewayAddress(l.Addr().String()); err != nil {
		return errors.Join(err, l.Close())
	}
	go g.report(ctx)
	mux := http.NewServeMux()
	mux.HandleFunc("/authenticate", g.stream)
	return localhttp.Serve(ctx, "the users' door", l, &http.Server{Handler: mux})
}

func newGateway(home *Home, door secgroup.Door) *gateway {
	return &gateway{
		home: home, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), door: door,
		connected: map[string]*presence{}, moved: make(chan struct{}, 1),
	}
}

// listenForUsers opens the gateway's door in the users' network: at an address or,
// for "", at the one that it had before, if that is free.
func listenForUsers(network, address, before string) (l net.Listener, err error) {
	err = instance.Within(network, func() (err error) {
		if address != "" {
			l, err = net.Listen("tcp", address)
			return err
		}
		if before != "" {
			if l, err = net.Listen("tcp", before); err == nil {
				return nil
			}
		}
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the gateway: %w", err)
	}
	return l, nil
}

// stream lets a user in who has a streaming URL: the answer's body is the stream, a
// line per frame, until one side ends it. What the request's body brings meanwhile is
// the user's input.
func (g *gateway) stream(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	if err := out.EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	stream, err := g.open(r.Context(), r.URL.Query().Get("parameters"))
	if err != nil {
		refuseUser(w, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	conn, err := dialStream(ctx, stream)
	if err != nil {
		g.log.Error("cannot reach a stream", "instance", stream.Instance, "error", err)
		http.Error(w, "The instance does not stream.", http.StatusBadGateway)
		return
	}
	defer conn.Close()
	defer g.join(stream.Session, &cancel)()
	go g.take(stream.Session, r.Body)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Hedgeward-Session", stream.Session)
	w.Header().Set("Hedgeward-Instance", stream.Instance)
	err = watchFrames(ctx, conn, func(frame int) error {
		if _, err := fmt.Fprintf(w, "frame %d\n", frame); err != nil {
			return err
		}
		return out.Flush()
	})
	g.log.Info("stream ended", "session", stream.Session, "instance", stream.Instance, "because", err)
}

// refuseUser answers a user who is not let in.
func refuseUser(w http.ResponseWriter, err error) {
	status := http.StatusForbidden
	if errors.Is(err, localhttp.ErrNobody) {
		status = http.StatusServiceUnavailable
	}
	http.Error(w, err.Error(), status)
}

// open asks control what a URL stands for, until its instance runs.
func (g *gateway) open(ctx context.Context, parameters string) (*secgroup.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, instanceWait)
	defer cancel()
	for {
		stream := new(secgroup.Stream)
		if err := g.home.tell(ctx, "/streams/open", openRequest{parameters, g.door}, stream); err != nil {
			return nil, err
		}
		if stream.Ready {
			return stream, nil
		}
		select {
		case <-time.After(frameEvery):
		case <-ctx.Done():
			return nil, errors.New("the session's instance is not there yet: open the URL again")
		}
	}
}

// dialStream connects to an instance, which may have to begin first.
func dialStream(ctx context.Context, stream *secgroup.Stream) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, streamLost)
	defer cancel()
	d := net.Dialer{Timeout: streamDial}
	for {
		conn, err := d.DialContext(ctx, stream.Protocol, net.JoinHostPort(stream.Address.String(), streamPort))
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(frameEvery):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// join notes that a user is on a session, until the returned function is called.
// Streams of builders have no session.
func (g *gateway) join(session string, cancel *context.CancelFunc) (leave func()) {
	if session == "" {
		return func() {}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.connected[session]
	if p == nil {
		p = &presence{streams: map[*context.CancelFunc]struct{}{}}
		g.connected[session] = p
	}
	p.streams[cancel], p.acted = struct{}{}, time.Now()
	g.wake()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if delete(p.streams, cancel); len(p.streams) == 0 {
			delete(g.connected, session)
		}
		g.wake()
	}
}

// take notes when a user does something: whatever it is, it is of no use to frames.
// It ends with the request.
func (g *gateway) take(session string, input io.Reader) {
	buf := make([]byte, 512)
	for {
		n, err := input.Read(buf)
		if n > 0 {
			g.mu.Lock()
			if p := g.connected[session]; p != nil {
				p.acted = time.Now()
			}
			g.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// watched returns who is connected, in the order of the sessions' ids.
func (g *gateway) watched() []secgroup.Watched {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := []secgroup.Watched{}
	for _, session := range slices.Sorted(maps.Keys(g.connected)) {
		out = append(out, secgroup.Watched{Session: session, Idle: time.Since(g.connected[session].acted)})
	}
	return out
}

func (g *gateway) wake() {
	select {
	case g.moved <- struct{}{}:
	default:
	}
}

// report tells control who is connected, all of it again and again, so that it
// knows whenever it begins, and ends the streams of those who are to leave.
func (g *gateway) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-g.moved:
		case <-ctx.Done():
			return
		}
		var leave []string
		if err := g.home.tell(ctx, "/streams/report", watchReport{Watched: g.watched(), Door: g.door}, &leave); err != nil {
			continue // nobody listens now; the next report says the same
		}
		g.mu.Lock()
		for _, session := range leave {
			if p := g.connected[session]; p != nil {
				for cancel := range p.streams {
					(*cancel)()
				}
			}
		}
		g.mu.Unlock()
	}
}
