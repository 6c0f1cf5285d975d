// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/secgroup"
)

// runEndpoint is the streaming gateway behind the interface of a VPC endpoint: its
// groups judge what users send to it, and streams leave by the management network.
// A user is let in on one port, and streams on another one of a range
// (docs/spec/appstream.md section 1.7).
func runEndpoint(ctx context.Context, home *Home, id, address string) error {
	at, err := netip.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("serve endpoint %s: %w", id, err)
	}
	g := newGateway(home, secgroup.Door{Endpoint: id, Address: at})
	group, ctx := errgroup.WithContext(ctx)
	serve := func(port uint16, pattern string, handler http.HandlerFunc) error {
		l, err := net.Listen("tcp", netip.AddrPortFrom(at, port).String())
		if err != nil {
			return fmt.Errorf("serve endpoint %s: %w", id, err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc(pattern, handler)
		group.Go(func() error { return localhttp.Serve(ctx, "the stream", l, &http.Server{Handler: mux}) })
		return nil
	}
	err = serve(secgroup.EndpointPort, "/authenticate", g.admit)
	for port := uint16(secgroup.FirstEndpointPort); err == nil && port < secgroup.FirstEndpointPort+secgroup.EndpointPorts; port++ {
		err = serve(port, "/stream", g.stream)
	}
	group.Go(func() error {
		g.report(ctx)
		return err
	})
	return group.Wait()
}

// admit sends a user with a streaming URL to the port of the session's stream.
func (g *gateway) admit(w http.ResponseWriter, r *http.Request) {
	parameters := r.URL.Query().Get("parameters")
	stream, err := g.open(r.Context(), parameters)
	if err != nil {
		refuseUser(w, err)
		return
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host // without the port, which is not the usual one of http
	}
	sum := fnv.New32a()
	io.WriteString(sum, stream.Instance)
	port := secgroup.FirstEndpointPort + int(sum.Sum32()%secgroup.EndpointPorts)
	to := url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(port)), Path: "/stream", RawQuery: url.Values{"parameters": {parameters}}.Encode()}
	http.Redirect(w, r, to.String(), http.StatusTemporaryRedirect)
}

// passCalls is the API behind the interface of a VPC endpoint: connections to its
// port are passed on to the listener, in the namespace that this is in.
func passCalls(ctx context.Context, home *Home, address, network string) error {
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(secgroup.EndpointPort)))
	if err != nil {
		return fmt.Errorf("serve the API at an endpoint: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	ns, err := os.Open(network) // its path goes with the process that started this one
	if err != nil {
		return errors.Join(fmt.Errorf("serve the API at an endpoint: %w", err), l.Close())
	}
	defer ns.Close()
	network = "/proc/self/fd/" + strconv.Itoa(int(ns.Fd()))
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if err := passCall(conn.(*net.TCPConn), home, network); err != nil {
				fmt.Fprintln(os.Stderr, "a call at an endpoint:", err)
			}
		}()
	}
}

// passCall copies both ways until both ends have said all.
func passCall(in *net.TCPConn, home *Home, network string) error {
	at, err := home.apiAddress()
	if err != nil {
		return err
	}
	var out net.Conn
	err = instance.Within(network, func() (err error) {
		out, err = net.DialTimeout("tcp", at, streamDial)
		return err
	})
	if err != nil {
		return err
	}
	defer out.Close()
	back := make(chan error, 1)
	go func() {
		_, err := io.Copy(in, out)
		back <- errors.Join(err, in.CloseWrite())
	}()
	_, err = io.Copy(out, in)
	return errors.Join(err, out.(*net.TCPConn).CloseWrite(), <-back)
}

// apiAddress returns where the API listens, as the profile says.
func (h *Home) apiAddress() (string, error) {
	text, err := os.ReadFile(h.API)
	if err != nil {
		return "", fmt.Errorf("find the API: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if _, endpoint, ok := strings.Cut(line, "endpoint_url"); ok {
			u, err := url.Parse(strings.TrimSpace(strings.TrimLeft(endpoint, " =")))
			if err != nil || u.Host == "" {
				return "", fmt.Errorf("find the API: %q in %s is no address", strings.TrimSpace(line), h.API)
			}
			return u.Host, nil
		}
	}
	return "", fmt.Errorf("find the API: %s names no endpoint", h.API)
}
