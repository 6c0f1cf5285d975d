// SPDX-License-Identifier: Apache-2.0

package join

import (
	"container/list"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"
)

// Crowd bounds the connections to a listener for hosts. Zero fields mean what is
// beside them.
type Crowd struct {
	// Strangers are connections that have not shown a host's certificate. When there
	// are more, the oldest ends: who only comes to stay keeps nobody out. 512
	Strangers int
	// Stay is how long a stranger may stay, long enough to join. 30s
	Stay time.Duration
	// OfHost are connections of one host. When there are more, its oldest ends: it is
	// what a broken link left behind, or the host harms itself. 8
	OfHost int
	// All are connections of hosts. When there are more, the newest ends. 32768
	All int
}

func (c *Crowd) fill() {
	for _, f := range []struct {
		at *int
		to int
	}{{&c.Strangers, 512}, {&c.OfHost, 8}, {&c.All, 32768}} {
		if *f.at == 0 {
			*f.at = f.to
		}
	}
	if c.Stay == 0 {
		c.Stay = 30 * time.Second
	}
}

// crowd is who is connected to a listener now.
type crowd struct {
	Crowd
	ended func(remote string, err error) // is told whom it ends

	mu        sync.Mutex
	guests    map[net.Conn]*guest
	strangers *list.List // of *guest, the oldest first
	hosts     map[string]*list.List
	proven    int
}

// guest is one connection.
type guest struct {
	conn net.Conn
	host string        // "": a stranger
	at   *list.Element // in strangers or in its host's list
	late *time.Timer   // ends a stranger
}

func newCrowd(c Crowd, ended func(string, error)) *crowd {
	c.fill()
	return &crowd{Crowd: c, ended: ended, guests: map[net.Conn]*guest{}, strangers: list.New(), hosts: map[string]*list.List{}}
}

// come takes a new connection in, as a stranger's.
func (c *crowd) come(conn net.Conn) {
	c.mu.Lock()
	g := &guest{conn: conn}
	g.at = c.strangers.PushBack(g)
	g.late = time.AfterFunc(c.Stay, func() { c.end(g, fmt.Errorf("it has not shown who it is for %s", c.Stay)) })
	c.guests[conn] = g
	var oldest *guest
	if c.strangers.Len() > c.Strangers {
		oldest = c.strangers.Front().Value.(*guest)
	}
	c.mu.Unlock()
	if oldest != nil {
		c.end(oldest, fmt.Errorf("more than %d connections have not shown who they are, and it is the oldest of them", c.Strangers))
	}
}

// prove notes that a connection is a host's.
func (c *crowd) prove(conn *tls.Conn) {
	state := conn.ConnectionState()
	host, err := HostOf(&state)
	if err != nil {
		return
	}
	c.mu.Lock()
	g := c.guests[conn]
	if g == nil || g.host != "" {
		c.mu.Unlock()
		return
	}
	g.late.Stop()
	c.strangers.Remove(g.at)
	all := c.hosts[host]
	if all == nil {
		all = list.New()
		c.hosts[host] = all
	}
	g.host, g.at = host, all.PushBack(g)
	c.proven++
	var out *guest
	switch {
	case all.Len() > c.OfHost:
		out, err = all.Front().Value.(*guest), fmt.Errorf("host %s has more than %d connections, and it is the oldest of them", host, c.OfHost)
	case c.proven > c.All:
		out, err = g, fmt.Errorf("hosts have more than %d connections", c.All)
	}
	c.mu.Unlock()
	if out != nil {
		c.end(out, err)
	}
}

// end closes a connection before its time.
func (c *crowd) end(g *guest, why error) {
	if !c.leave(g.conn) {
		return
	}
	c.ended(g.conn.RemoteAddr().String(), why)
	if secure, ok := g.conn.(*tls.Conn); ok {
		secure.NetConn().Close() // without a word, for which it would have to read
	}
	g.conn.Close()
}

// leave forgets a connection, and reports whether it was there.
func (c *crowd) leave(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.guests[conn]
	if g == nil {
		return false
	}
	delete(c.guests, conn)
	g.late.Stop()
	if g.host == "" {
		c.strangers.Remove(g.at)
		return true
	}
	c.proven--
	all := c.hosts[g.host]
	if all.Remove(g.at); all.Len() == 0 {
		delete(c.hosts, g.host)
	}
	return true
}
