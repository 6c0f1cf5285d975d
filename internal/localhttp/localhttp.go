// SPDX-License-Identifier: Apache-2.0

// Package localhttp is HTTP on one machine: a Unix socket whose access is its
// owner's, a server that ends with its context, and a client that knows when nobody
// serves. It knows nothing of what is asked and answered.
package localhttp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// Listen opens a Unix socket for its owner alone, in a folder that is its owner's
// alone already. What is there is a leftover, which the caller knows by a lock that it holds.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil { // who can write to it decides who has access
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

const headerTimeout = 5 * time.Second

// Serve answers requests at l, with TLS if the server has a TLSConfig, until ctx
// ends, which ends requests under way too; it returns the cause. Any other end is an
// error that begins with what is served. Unless the server says otherwise a header has 5 s to come.
func Serve(ctx context.Context, what string, l net.Listener, srv *http.Server) error {
	if srv.ReadHeaderTimeout == 0 {
		srv.ReadHeaderTimeout = headerTimeout
	}
	srv.BaseContext = func(net.Listener) context.Context { return ctx }
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	serve := srv.Serve
	if srv.TLSConfig != nil {
		serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return context.Cause(ctx)
}

// ErrNobody reports that no process serves a socket.
var ErrNobody = errors.New("not running")

// Do sends a request to a Unix socket, whatever host its URL names, on a connection
// of its own. It returns ErrNobody if no process serves the socket. The caller closes the answer's body.
func Do(socket string, req *http.Request) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	resp, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNobody
	}
	return resp, err
}
