// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// stream sends numbered datagrams until stopped, and returns how many were sent.
func stream(t *testing.T, from *instance, to netip.AddrPort) (stop func() uint32) {
	t.Helper()
	var c *net.UDPConn
	from.do(t, func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		return err
	})
	end, sent := make(chan struct{}), make(chan uint32)
	go func() {
		defer c.Close()
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		n := uint32(0)
		for {
			select {
			case <-end:
				sent <- n
				return
			case <-tick.C:
				c.Write(binary.BigEndian.AppendUint32(nil, n))
				n++
			}
		}
	}()
	return func() uint32 { close(end); return <-sent }
}

// arrived reads what a socket has got and returns how many different numbers.
func arrived(t *testing.T, c *net.UDPConn) uint32 {
	t.Helper()
	seen := map[uint32]bool{}
	for b := make([]byte, 4); ; {
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := c.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return uint32(len(seen))
		}
		if err != nil || n != 4 {
			t.Fatalf("%d octets, %v", n, err)
		}
		seen[binary.BigEndian.Uint32(b)] = true
	}
}

// TestTakesOverThePreviousLayout: PKT-L07 with a change of the map layout. While what
// an earlier version pinned is taken over, no datagram is lost that is admitted before
// and after, none gets through that is not, and a connection goes on that no rule
// admits any more.
func TestTakesOverThePreviousLayout(t *testing.T) {
	for name, mode := range map[string]datapath.AttachMode{"auto": datapath.AttachAuto, "clsact": datapath.AttachClsact} {
		t.Run(name, func(t *testing.T) {
			rig := bpftest.NewWith(t, func(c *datapath.Config) { c.Testing, c.Attach = false, mode })
			a := launch(t, rig, "eni-a", 1, "10.0.1.10", "2001:db8:1:1::a")
			b := launch(t, rig, "eni-b", 2, "10.0.1.20", "2001:db8:1:1::b")
			open := rules{rule(17, 9, 9, "10.0.1.0/24")}
			rig.SetPolicy(b.Interface, world(nil, outAll))
			rig.SetPolicy(a.Interface, world(append(open, rule(6, 80, 80, "10.0.1.0/24")), nil))
			echo(t, a, "10.0.1.10:80")
			c, err := dial(t, b, "10.0.1.10:80", 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			say(t, c, "hello")
			rig.SetPolicy(a.Interface, world(open, nil))

			if err := rig.BackTo4("testdata/layout4.o"); err != nil {
				t.Fatal(err)
			}
			if err := rig.Close(); err != nil {
				t.Fatal(err)
			}
			say(t, c, "by the programs of the earlier version")
			admitted := listen(t, a, netip.MustParseAddrPort("10.0.1.10:9"))
			refused := listen(t, a, netip.MustParseAddrPort("10.0.1.10:10"))
			if err := admitted.SetReadBuffer(8 << 20); err != nil {
				t.Fatal(err)
			}
			stopAdmitted := stream(t, b, netip.MustParseAddrPort("10.0.1.10:9"))
			stopRefused := stream(t, b, netip.MustParseAddrPort("10.0.1.10:10"))

			rig.Open()
			say(t, c, "taken over")
			for i, flows := range map[*instance]int{a: 2, b: 3} { // what A refuses, B's rules admit
				if s := rig.Status(i.Interface); s.Policy == 0 || s.Flows != flows {
					t.Errorf("%s has policy %d and %d flows, want one and the %d of before", i.ID, s.Policy, s.Flows, flows)
				}
			}
			rig.Attach(a.Interface)
			rig.Attach(b.Interface)
			say(t, c, "and reconciled")
			if sent, got := stopAdmitted(), arrived(t, admitted); sent == 0 || got != sent {
				t.Errorf("%d of %d datagrams arrived", got, sent)
			}
			if sent, got := stopRefused(), arrived(t, refused); sent == 0 || got != 0 {
				t.Errorf("%d of %d datagrams arrived that no rule admits", got, sent)
			}
			if _, err := dial(t, b, "10.0.1.10:80", 200*time.Millisecond); err == nil {
				t.Error("connected without a rule")
			}
			if got := rig.Status(a.Interface).Packets[flow.Ingress][flow.ReasonNoState]; got != 0 {
				t.Errorf("%d packets had lost their flow", got)
			}
			if err := rig.Close(); err != nil {
				t.Fatal(err)
			}
			rig.Open() // and from now on it is the layout of this version
			say(t, c, "once more")
		})
	}
}
