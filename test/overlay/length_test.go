// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testnet"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// transfer sends size bytes from one namespace to an address of another, by TCP, and
// fails the test unless they arrive as they were sent.
func transfer(t testing.TB, from, to *testnet.NS, at string, size int) {
	t.Helper()
	var l net.Listener
	var err error
	to.Do(func() { l, err = net.Listen("tcp", at) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type got struct {
		sum [32]byte
		err error
	}
	arrived := make(chan got, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			arrived <- got{err: err}
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		h := sha256.New()
		_, err = io.Copy(h, conn)
		arrived <- got{[32]byte(h.Sum(nil)), err}
	}()
	conn, err := from.Dial("tcp", netip.AddrPort{}, netip.MustParseAddrPort(at), patience)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	if _, err := conn.Write(sent); err != nil {
		t.Errorf("send %d bytes to %s: %v", size, at, err)
	}
	conn.Close()
	if is := <-arrived; is.err != nil || is.sum != sha256.Sum256(sent) {
		t.Errorf("of %d bytes to %s others arrived: %v", size, at, is.err)
	}
}

// TestLengths: interfaces have the MTU that fits between hosts, at once and when it
// changes; long datagrams go in pieces; who sends longer packets all the same is told.
func TestLengths(t *testing.T) {
	for _, c := range []struct {
		underlays map[string]string
		overhead  int
	}{{twoHosts, 50}, {twoHosts6, 70}} {
		t.Run(fmt.Sprint(c.overhead), func(t *testing.T) {
			w := populate(t, install(t, c.underlays))
			web, db := w.inside["red/web"], w.inside["red/db"]
			mtu := func(key string) int { return w.inside[key].Device(t, "eth0").Attrs().MTU }
			if mtu("red/web") != 1500-c.overhead || mtu("red/db") != 1500-c.overhead {
				t.Errorf("MTU %d and %d, want %d", mtu("red/web"), mtu("red/db"), 1500-c.overhead)
			}
			w.step(func(tx *model.Tx) {
				rule := secgroup.Rule{ID: "sgr-all", RuleKey: secgroup.RuleKey{Protocol: secgroup.AllProtocols, From: -1, To: -1, Peer: secgroup.Peer{Group: "sg-red-web"}}}
				tx.Groups.Put(&secgroup.Group{ID: "sg-red-db", VPC: "vpc-red", Rules: append(outside("reddb"), rule)})
			})
			transfer(t, web, db, "10.0.0.20:5001", 16<<20)
			transfer(t, web, db, fmt.Sprintf("[%s]:5001", at("red/db").addr6()), 16<<20)

			echo := db.ServeUDP(t, "10.0.0.20:5002")
			conn, err := web.Dial("udp", netip.AddrPort{}, echo, patience)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			long, back := bytes.Repeat([]byte("x"), 8000), make([]byte, 9000)
			if _, err := conn.Write(long); err != nil {
				t.Fatal(err)
			}
			if n, err := conn.Read(back); err != nil || !bytes.Equal(back[:n], long) {
				t.Errorf("a datagram in pieces: %d bytes came back, %v", n, err)
			}

			// Both instances raise their MTU.
			for _, ns := range []*testnet.NS{web, db} {
				if err := ns.Link.LinkSetMTU(ns.Device(t, "eth0"), 9001); err != nil {
					t.Fatal(err)
				}
			}
			transfer(t, web, db, "10.0.0.20:5003", 4<<20)
			transfer(t, web, db, fmt.Sprintf("[%s]:5003", at("red/db").addr6()), 4<<20)
			if n := w.hosts["here"].counted().Counted[at("red/web").iface()][flow.Egress][flow.ReasonTooBig]; n == 0 {
				t.Error("no packet was too long: this tests nothing")
			}
			for _, to := range []string{"10.0.0.20", at("red/db").addr6().String()} {
				routes, err := web.Link.RouteGetWithOptions(net.ParseIP(to), &netlink.RouteGetOptions{})
				if err != nil || len(routes) != 1 || routes[0].MTU != 1500-c.overhead {
					t.Errorf("the path to %s is known as %+v, %v; want MTU %d", to, routes, err, 1500-c.overhead)
				}
			}
		})
	}
}
