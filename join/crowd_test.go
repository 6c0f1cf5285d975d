// SPDX-License-Identifier: Apache-2.0

package join_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/join"
)

// until waits for what must come true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick, late := time.NewTicker(2*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal(what)
		}
	}
}

// over reports whether the other end closes a connection, once it does.
func over(conn net.Conn) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(io.Discard, conn)
	}()
	return done
}

func (r *rig) address() string { return strings.TrimPrefix(r.url, "https://") }

// TestStrangersDoNotStay: whoever connects and does not show who it is, before the
// handshake, after it, or in the middle of a request, is sent away; hosts that come
// meanwhile do not notice.
func TestStrangersDoNotStay(t *testing.T) {
	r := newRig(t, func(c *join.ServerConfig) { c.Crowd = join.Crowd{Stay: 500 * time.Millisecond} })
	token := r.token(join.TokenSpec{})
	var gone []<-chan struct{}
	for _, protocol := range []string{"", "h2", "http/1.1", "half"} {
		conn, err := net.Dial("tcp", r.address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if protocol != "" {
			secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Time: r.clock.Now, NextProtos: []string{protocol}})
			if protocol == "half" {
				secure = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Time: r.clock.Now})
			}
			if err := secure.Handshake(); err != nil {
				t.Fatal(err)
			}
			if protocol == "half" {
				io.WriteString(secure, "POST /join/v1/host HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
			}
		}
		gone = append(gone, over(conn))
	}
	id, err := join.Join(t.Context(), r.request("rack-1", token))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gone {
		<-g
	}
	until(t, "they are not counted", func() bool { return r.count(join.TooManyConnections) == len(gone) })
	if _, err := r.call(id); err != nil {
		t.Errorf("the host: %v", err)
	}
}

// TestStrangersAreBounded: those who come to stay push each other out, not hosts.
func TestStrangersAreBounded(t *testing.T) {
	r := newRig(t, func(c *join.ServerConfig) { c.Crowd = join.Crowd{Strangers: 4, Stay: time.Hour} })
	id := r.host("rack-1")
	before := r.count(join.TooManyConnections)
	var conns []<-chan struct{}
	for range 20 {
		conn, err := net.Dial("tcp", r.address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, over(conn))
	}
	for _, gone := range conns[:16] {
		<-gone
	}
	if _, err := r.call(id); err != nil { // for a moment it is a stranger too
		t.Errorf("the host: %v", err)
	}
	<-conns[16]
	for n, gone := range conns[17:] {
		select {
		case <-gone:
			t.Errorf("connection %d is gone", 17+n)
		default:
		}
	}
	if n := r.count(join.TooManyConnections) - before; n < 17 {
		t.Errorf("%d are counted, want 17", n)
	}
}

// TestConnectionsOfAHostAreBounded: its oldest end, and no other host notices; and all
// together are bounded too.
func TestConnectionsOfAHostAreBounded(t *testing.T) {
	r := newRig(t, func(c *join.ServerConfig) { c.Crowd = join.Crowd{OfHost: 3, All: 5} })
	bad, good := r.host("bad"), r.host("good")
	// hold has a host keep a connection with a stream, and returns what ends with it.
	hold := func(id *join.Identity) <-chan struct{} {
		web := &http.Transport{DialTLSContext: id.DialTLS, ForceAttemptHTTP2: true}
		t.Cleanup(web.CloseIdleConnections)
		ended, begun := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			resp, err := (&http.Client{Transport: web}).Get(r.url + "/hold")
			close(begun)
			if err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}()
		<-begun
		return ended
	}
	others := hold(good)
	var its []<-chan struct{}
	for range 6 {
		its = append(its, hold(bad))
	}
	for _, gone := range its[:3] {
		<-gone
	}
	until(t, "the host's oldest connections are not counted", func() bool { return r.count(join.TooManyConnections) == 3 })
	select {
	case <-others:
		t.Error("another host lost its stream")
	case <-its[5]:
		t.Error("the newest connection is gone")
	default:
	}
	hold(r.host("third"))    // the fifth connection
	<-hold(r.host("fourth")) // the sixth
	if n := r.count(join.TooManyConnections); n != 4 {
		t.Errorf("%d are counted, want 4", n)
	}
	select {
	case <-others:
		t.Error("another host lost its stream")
	default:
	}
}
