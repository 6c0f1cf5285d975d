// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/internal/localhttp"
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
	st   *state
	log  *slog.Logger
	door control.Door // by which users come

	mu        sync.Mutex
	connected map[string]map[*context.CancelFunc]struct{} // by session
	moved     chan struct{}                               // capacity 1: connected has changed
}

func runGateway(ctx context.Context, st *state, network string) error {
	g := newGateway(st, control.Door{})
	l, err := listenForUsers(network, st.gatewayAddress())
	if err != nil {
		return err
	}
	if err := st.setGatewayAddress(l.Addr().String()); err != nil {
		return errors.Join(err, l.Close())
	}
	go g.report(ctx)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authenticate", g.stream)
	return localhttp.Serve(ctx, "the users' door", l, &http.Server{Handler: mux})
}

func newGateway(st *state, door control.Door) *gateway {
	return &gateway{
		st: st, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), door: door,
		connected: map[string]map[*context.CancelFunc]struct{}{}, moved: make(chan struct{}, 1),
	}
}

// listenForUsers opens the gateway's door in the users' network: at the address
// that it had before, if that is free.
func listenForUsers(network, before string) (l net.Listener, err error) {
	err = instance.Within(network, func() (err error) {
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
// line per frame, until one side ends it.
func (g *gateway) stream(w http.ResponseWriter, r *http.Request) {
	stream, err := g.open(r.Context(), r.FormValue("parameters"))
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
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Hedgeward-Session", stream.Session)
	w.Header().Set("Hedgeward-Instance", stream.Instance)
	out := http.NewResponseController(w)
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
func (g *gateway) open(ctx context.Context, parameters string) (*control.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, instanceWait)
	defer cancel()
	for {
		stream := new(control.Stream)
		if err := g.st.tell(ctx, "/streams/open", streamRequest{parameters, g.door}, stream); err != nil {
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
func dialStream(ctx context.Context, stream *control.Stream) (net.Conn, error) {
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
	if g.connected[session] == nil {
		g.connected[session] = map[*context.CancelFunc]struct{}{}
	}
	g.connected[session][cancel] = struct{}{}
	g.wake()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.connected[session], cancel)
		if len(g.connected[session]) == 0 {
			delete(g.connected, session)
		}
		g.wake()
	}
}

func (g *gateway) wake() {
	select {
	case g.moved <- struct{}{}:
	default:
	}
}

// report tells control who is connected, all of it again and again, so that it
// knows whenever it begins, and ends the streams of sessions that are over.
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
		g.mu.Lock()
		now := slices.Sorted(maps.Keys(g.connected))
		g.mu.Unlock()
		var over []string
		if err := g.st.tell(ctx, "/streams/report", streamReport{now, g.door}, &over); err != nil {
			continue // nobody listens now; the next report says the same
		}
		g.mu.Lock()
		for _, session := range over {
			for cancel := range g.connected[session] {
				(*cancel)()
			}
		}
		g.mu.Unlock()
	}
}
