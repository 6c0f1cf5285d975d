// SPDX-License-Identifier: Apache-2.0

package localhttp

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

func ask(t *testing.T, socket string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://whoever/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return Do(socket, req)
}

func TestOneServesASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	if _, err := ask(t, path); !errors.Is(err, ErrNobody) {
		t.Errorf("a socket that is not there: %v, want ErrNobody", err)
	}
	left, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close() // a process that was killed leaves its socket behind
	l, err := Listen(path)
	if err != nil {
		t.Fatalf("over a leftover: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v (%v), want 0600", info.Mode(), err)
	}

	over := errors.New("over")
	ctx, stop := context.WithCancelCause(t.Context())
	asked, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, "test", l, &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
		})})
	}()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		ask(t, path) // whether it is still answered is left to chance
	}()
	<-asked
	stop(over)
	if err := <-ended; !errors.Is(err, over) {
		t.Errorf("Serve: %v, want the cause of its end", err)
	}
	<-answered
	if _, err := ask(t, path); !errors.Is(err, ErrNobody) {
		t.Errorf("a socket that nobody serves any more: %v, want ErrNobody", err)
	}
	if err := Serve(t.Context(), "test", l, new(http.Server)); err == nil || err.Error()[:5] != "test:" {
		t.Errorf("a listener that is closed: %v, want an error that begins with what is served", err)
	}
}
