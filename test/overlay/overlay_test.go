// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testnet"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var (
	twoHosts  = map[string]string{"here": "192.0.2.1", "there": "192.0.2.2"}
	twoHosts6 = map[string]string{"here": "2001:db8:2::1", "there": "2001:db8:2::2"}
)

// serve has the listener of an instance answer on a port of its addresses.
func (w *world) serve(key string) (four, six netip.AddrPort) {
	w.t.Helper()
	p := at(key)
	four = w.inside[key].ServeTCP(w.t, netip.AddrPortFrom(netip.MustParseAddr(p.addr), 5000).String())
	six = w.inside[key].ServeTCP(w.t, netip.AddrPortFrom(p.addr6(), 5000).String())
	return four, six
}

// TestTwoHosts: groups judge across hosts as on one.
func TestTwoHosts(t *testing.T) {
	w := populate(t, install(t, twoHosts))
	red4, red6 := w.serve("red/db")
	blue4, _ := w.serve("blue/db")
	green4, green6 := w.serve("green/app")
	closed := w.inside["red/db"].ServeTCP(t, red4.Addr().String()+":5001")

	w.open("a member reaches what its group may", "red/web", red4)
	w.open("the same by IPv6", "red/web", red6)
	w.shut("no rule names the port", "red/web", closed)
	if err := w.inside["red/web"].Ping(red4.Addr(), patience); err != nil {
		t.Error(err)
	}
	w.open("by way of a peering", "red/web", green4)
	w.open("the same by IPv6", "red/web", green6)
	w.open("blue, whose addresses are red's", "blue/web", blue4)
	w.shut("blue is not peered with green", "blue/web", green4)

	// Each VPC has its own: who answers at red's address is red's.
	w.step(func(tx *model.Tx) {
		tx.Groups.Put(&secgroup.Group{ID: "sg-blue-db", VPC: "vpc-blue", Rules: outside("bluedb")})
	})
	w.shut("blue's rule is gone", "blue/web", blue4)
	w.open("red's is not", "red/web", red4)

	// A rule goes: what is tracked goes on, what is new does not begin.
	conn := w.dial("red/web", red4)
	w.step(func(tx *model.Tx) {
		tx.Groups.Put(&secgroup.Group{ID: "sg-red-db", VPC: "vpc-red", Rules: outside("reddb")})
	})
	w.shut("red's rule is gone", "red/web", red4)
	w.goesOn("PKT-D23: a tracked flow", conn)
	rules := append(outside("reddb"), from("sg-red-web")...)
	w.step(func(tx *model.Tx) { tx.Groups.Put(&secgroup.Group{ID: "sg-red-db", VPC: "vpc-red", Rules: rules}) })
	w.open("it is back", "red/web", red4)

	// A member on the other host leaves, and joins.
	w.group("red/web", "sg-red-app")
	w.shut("no member any more", "red/web", red4)
	w.group("red/web", "sg-red-app", "sg-red-web")
	w.open("a member again", "red/web", red4)

	// The sender's egress rules are the other gate.
	w.step(func(tx *model.Tx) { tx.Groups.Put(&secgroup.Group{ID: "sg-red-web", VPC: "vpc-red"}) })
	w.group("red/web", "sg-red-web")
	w.shut("its own rules let nothing out", "red/web", red4)
	w.step(func(tx *model.Tx) {
		tx.Groups.Put(&secgroup.Group{ID: "sg-red-web", VPC: "vpc-red", Rules: outside("redweb")})
	})
	w.open("they do again", "red/web", red4)

	// A peering ends.
	w.step(func(tx *model.Tx) {
		p := *tx.Peerings.Get("pcx-1")
		p.State = secgroup.PeeringDeleted
		tx.Peerings.Put(&p)
	})
	w.shut("the peering has ended", "red/web", green4)

	// A host is shut out.
	w.step(func(tx *model.Tx) {
		tx.Hosts.Put(&secgroup.Host{Name: "here", Underlay: netip.MustParseAddr(twoHosts["here"]), Disabled: true})
	})
	w.shut("the host is disabled", "red/web", red4)
}

// TestWithoutAgents: agents that are killed change no verdict, and those that follow
// take over what they find.
func TestWithoutAgents(t *testing.T) {
	w := populate(t, install(t, twoHosts6))
	red4, red6 := w.serve("red/db")
	closed := w.inside["red/db"].ServeTCP(t, red4.Addr().String()+":5001")
	conn := w.dial("red/web", red4)
	for _, h := range w.hosts {
		h.kill()
	}
	w.goesOn("while no agent runs", conn)
	w.open("a new connection while no agent runs", "red/web", red4)
	w.open("the same by IPv6", "red/web", red6)
	w.shut("no rule names the port", "red/web", closed)
	for _, h := range w.hosts {
		h.start()
		h.sync()
	}
	w.goesOn("with new agents", conn)
	w.open("with new agents", "red/web", red4)
	w.step(func(tx *model.Tx) {
		tx.Groups.Put(&secgroup.Group{ID: "sg-red-db", VPC: "vpc-red", Rules: outside("reddb")})
	})
	w.shut("a change by the new agents", "red/web", red4)
}

// TestHostileUnderlay: what comes from no host of the installation, or from one that
// has not the sender, reaches nobody (docs/spec/packet-semantics.md section 1.5).
func TestHostileUnderlay(t *testing.T) {
	w := populate(t, install(t, map[string]string{"here": "192.0.2.1", "there": "192.0.2.2", "third": "192.0.2.3"}))
	red := at("red/web")
	w.inside["red/db"].ServeUDP(t, "10.0.0.20:5000")
	w.step(func(tx *model.Tx) { // everything of the VPC may come: the address is all that counts
		rule := secgroup.Rule{ID: "sgr-any", RuleKey: secgroup.RuleKey{Protocol: secgroup.UDP, From: 5000, To: 5000, Peer: secgroup.Peer{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}}
		tx.Groups.Put(&secgroup.Group{ID: "sg-red-db", VPC: "vpc-red", Rules: append(outside("reddb"), rule)})
	})
	stranger := testnet.New(t)
	testnet.Pair(t, testnet.End{NS: w.wire, Name: "port-x"}, testnet.End{NS: stranger, Name: "under0", Addresses: []string{"192.0.2.66/24"}})
	port := w.wire.Device(t, "port-x")
	if err := w.wire.Link.LinkSetMaster(port, w.wire.Device(t, "wire0")); err != nil {
		t.Fatal(err)
	}
	there := w.hosts["there"]
	before := there.counted()
	send := func(ns *testnet.NS, frame []byte, vni uint32) {
		t.Helper()
		conn, err := ns.Dial("udp", netip.AddrPort{}, netip.MustParseAddrPort("192.0.2.2:4789"), patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		header := []byte{8, 0, 0, 0, byte(vni >> 16), byte(vni >> 8), byte(vni), 0}
		if _, err := conn.Write(append(header, frame...)); err != nil {
			t.Fatal(err)
		}
	}
	good := datagram(red.addr, "10.0.0.20")
	send(stranger, good, vniRed)                                          // a host of nobody
	send(w.hosts["third"].ns, good, vniRed)                               // a host that has not the sender
	send(w.hosts["third"].ns, datagram("10.0.0.99", "10.0.0.20"), vniRed) // nobody's address
	send(w.hosts["third"].ns, good, 99)                                   // nobody's number
	send(w.hosts["third"].ns, datagram(red.addr, "10.0.0.21"), vniRed)    // to nobody
	send(w.hosts["third"].ns, good[:36], vniRed)                          // no packet
	send(w.hosts["here"].ns, datagram("10.1.0.30", "10.0.0.20"), vniRed)  // a peer's address, from where it is not
	send(w.hosts["here"].ns, good, vniRed)                                // as it should be
	dropped, admitted, strays := uint64(4), uint64(1), uint64(3)
	var now answer
	id := at("red/db").iface()
	spoofed := func(a answer) uint64 { return a.Counted[id][flow.Ingress][flow.ReasonSpoofIP] }
	accepted := func(a answer) uint64 {
		return a.Counted[id][flow.Ingress][flow.ReasonRule] + a.Counted[id][flow.Ingress][flow.ReasonTracked]
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		now = there.counted()
		if accepted(now) > accepted(before) {
			break // the last one; the others came before it
		}
	}
	if got := spoofed(now) - spoofed(before); got != dropped {
		t.Errorf("%d packets were dropped as spoofed, want %d", got, dropped)
	}
	if got := accepted(now) - accepted(before); got != admitted {
		t.Errorf("%d packets were let through, want %d", got, admitted)
	}
	s := now.Strays
	if s.VNI != 1 || s.Destination != 1 || s.Malformed != 1 || s.VNI+s.Destination+s.Malformed != strays {
		t.Errorf("strays %+v, want one of each kind", s)
	}
}

// dial opens a connection that stays.
func (w *world) dial(key string, to netip.AddrPort) net.Conn {
	w.t.Helper()
	conn, err := w.inside[key].Dial("tcp", netip.AddrPort{}, to, patience)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	w.goesOn("a new connection", conn)
	return conn
}

func (w *world) goesOn(what string, conn net.Conn) {
	w.t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	if err := testnet.Echo(conn); err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
}
