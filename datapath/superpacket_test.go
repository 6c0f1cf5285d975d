// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

const (
	superPacket = 185000   // how long an offloaded packet may get here
	sayable     = 65535    // what the length field of a packet can say
	segment     = 1460     // what a segment of TCP carries at most, at an MTU of 1500
	freight     = 48 << 20 // bytes that are sent at once
)

// highway is two instances whose devices take super-packets at all four ends. If
// attached, the devices are somebody else's and the host forwards.
type highway struct {
	*bpftest.Rig
	attached bool
	a, b     *instance
}

func newHighway(t *testing.T, attached bool) *highway {
	t.Helper()
	h := &highway{Rig: bpftest.NewWith(t, func(c *datapath.Config) { c.Testing = false }), attached: attached}
	a := bpftest.Interface("eni-a", "10.0.1.10", "2001:db8:1:1::a")
	b := bpftest.Interface("eni-b", "10.0.2.20", "2001:db8:1:2::b")
	b.RouterAddresses = []netip.Addr{netip.MustParseAddr("10.0.2.1"), netip.MustParseAddr("2001:db8:1:2::1")}
	b.Subnet = netip.MustParsePrefix("10.0.2.0/24")
	a.Attached, b.Attached = attached, attached
	routers := [][]netip.Addr{a.RouterAddresses, b.RouterAddresses}
	for n, as := range []datapath.Interface{a, b} {
		i := launchAs(t, h.Rig, as, byte(n+1))
		if err := widen(i.Device); err != nil {
			t.Fatal(err)
		}
		i.do(t, func() error { return widen("inst" + i.Device[len("host"):]) })
		if attached {
			h.route(t, i, routers[n])
		}
		h.a, h.b = h.b, i
	}
	return h
}

// widen lets a device take super-packets of both families.
func widen(device string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	return errors.Join(
		netlink.LinkSetGSOMaxSize(link, superPacket), netlink.LinkSetGROMaxSize(link, superPacket),
		netlink.LinkSetGSOIPv4MaxSize(link, superPacket), netlink.LinkSetGROIPv4MaxSize(link, superPacket),
	)
}

// route makes the host the router of an instance.
func (h *highway) route(t *testing.T, i *instance, routers []netip.Addr) {
	t.Helper()
	link, err := netlink.LinkByIndex(i.Ifindex)
	if err != nil {
		t.Fatal(err)
	}
	// To the kernel's forwarding a segment of an IPv6 super-packet is longer than it
	// is, by the option of 8 bytes that says the packet's length.
	if err := netlink.LinkSetMTU(link, 1500+8); err != nil {
		t.Fatal(err)
	}
	for _, r := range routers {
		at := &netlink.Addr{IPNet: &net.IPNet{IP: r.AsSlice(), Mask: net.CIDRMask(24, 32)}}
		forwarding := "/proc/sys/net/ipv4/ip_forward"
		if r.Is6() {
			at.Mask, at.Flags = net.CIDRMask(64, 128), unix.IFA_F_NODAD
			forwarding = "/proc/sys/net/ipv6/conf/all/forwarding"
		}
		if err := errors.Join(netlink.AddrAdd(link, at), os.WriteFile(forwarding, []byte("1"), 0)); err != nil {
			t.Fatal(err)
		}
	}
}

// load is what has passed the host's ends of the devices, and how often the
// programs were run for it.
type load struct {
	packets, bytes    uint64 // from B's device
	received, sent    uint64 // packets from and to both devices
	fromRuns, toRuns  uint64
	segments, counted uint64 // of A's flows, what was received
}

func (h *highway) load(t *testing.T) (l load) {
	t.Helper()
	from, to := h.Judges(h.attached)
	for _, i := range []*instance{h.a, h.b} {
		link, err := netlink.LinkByIndex(i.Ifindex)
		if err != nil {
			t.Fatal(err)
		}
		s := link.Attrs().Statistics
		l.received, l.sent = l.received+s.RxPackets, l.sent+s.TxPackets
		l.packets, l.bytes = s.RxPackets, s.RxBytes
	}
	for prog, runs := range map[*ebpf.Program]*uint64{from: &l.fromRuns, to: &l.toRuns} {
		s, err := prog.Stats()
		if err != nil {
			t.Fatal(err)
		}
		*runs = s.RunCount
	}
	for _, f := range h.Flows(h.a.Interface) {
		l.segments += uint64(f.Packets[flow.Ingress])
		l.counted += f.Bytes[flow.Ingress]
	}
	return l
}

// connect has B call A, and returns B's end and A's.
func (h *highway) connect(t *testing.T, to netip.Addr) (sender, receiver *net.TCPConn) {
	t.Helper()
	var l net.Listener
	h.a.do(t, func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(to, 80).String())
		return err
	})
	defer l.Close()
	h.b.do(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		if err == nil {
			sender = c.(*net.TCPConn)
		}
		return err
	})
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	receiver = c.(*net.TCPConn)
	t.Cleanup(func() { sender.Close(); receiver.Close() })
	return sender, receiver
}

// TestSuperPackets is PKT-I23 and I24 with packets that the kernel makes: TCP hands
// over as one packet what is cut into segments later or never, longer than a
// packet's length field can say.
func TestSuperPackets(t *testing.T) {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		t.Fatal(err)
	}
	defer stats.Close()
	for name, attached := range map[string]bool{"instances": false, "attached": true} {
		t.Run(name, func(t *testing.T) {
			h := newHighway(t, attached)
			for family, to := range map[string]netip.Addr{"IPv4": h.a.Addresses[0], "IPv6": h.a.Addresses[1]} {
				t.Run(family, func(t *testing.T) {
					h.Join(t)
					h.SetPolicy(h.b.Interface, world(nil, outAll))
					h.SetPolicy(h.a.Interface, world(rules{rule(6, 80, 80, "10.0.2.0/24"), rule(6, 80, 80, "2001:db8:1:2::/64")}, nil))
					h.carry(t, to)
					h.SetPolicy(h.a.Interface, world(outAll, outAll))
					h.SetPolicy(h.b.Interface, world(outAll, outAll))
					h.revoke(t, to)
				})
			}
		})
	}
}

// carry sends bytes on a tracked flow: all arrive, in super-packets, each of which
// was judged once, and its segments were counted.
func (h *highway) carry(t *testing.T, to netip.Addr) {
	t.Helper()
	sender, receiver := h.connect(t, to)
	before := h.load(t)
	want, got := sha256.New(), sha256.New()
	failed := make(chan error, 1)
	go func() {
		source := io.LimitReader(rand.NewChaCha8([32]byte{1}), freight)
		_, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(want, sender)}, source, make([]byte, 1<<20))
		failed <- errors.Join(err, sender.CloseWrite())
	}()
	receiver.SetReadDeadline(time.Now().Add(30 * time.Second))
	n, err := io.CopyBuffer(struct{ io.Writer }{got}, struct{ io.Reader }{receiver}, make([]byte, 1<<20))
	if err := errors.Join(err, <-failed); err != nil || n != freight {
		t.Fatalf("%d of %d bytes arrived: %v", n, freight, err)
	}
	if string(want.Sum(nil)) != string(got.Sum(nil)) {
		t.Error("other bytes arrived")
	}
	after := h.load(t)
	packets, length := after.packets-before.packets, (after.bytes-before.bytes)/(after.packets-before.packets)
	received, sent := after.received-before.received, after.sent-before.sent
	from, judged := after.fromRuns-before.fromRuns, after.toRuns-before.toRuns
	segments, counted := after.segments-before.segments, after.counted-before.counted
	t.Logf("%d packets of %d bytes; %d received, from: %d runs; %d sent, to: %d runs; %d segments", packets, length, received, from, sent, judged, segments)
	if length <= sayable {
		t.Errorf("%d packets of %d bytes: no super-packets", packets, length)
	}
	const others = 50 // neighbour discovery and listener reports meanwhile
	if from > received+others || h.attached && judged > sent+others {
		t.Errorf("%d packets were judged %d times, %d packets %d times", received, from, sent, judged)
	}
	if segments < freight/segment || segments > freight/segment*11/10 {
		t.Errorf("%d segments counted of %d bytes", segments, freight)
	}
	if counted < freight || counted > freight*11/10 {
		t.Errorf("%d bytes counted of %d", counted, freight)
	}
}

// revoke takes away the rules of a flow that is not tracked, while it runs.
func (h *highway) revoke(t *testing.T, to netip.Addr) {
	t.Helper()
	sender, receiver := h.connect(t, to)
	go io.CopyBuffer(struct{ io.Writer }{sender}, rand.NewChaCha8([32]byte{2}), make([]byte, 1<<20))
	defer sender.Close()
	receiver.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.CopyN(io.Discard, receiver, freight/4); err != nil {
		t.Fatal(err)
	}
	for _, f := range h.Flows(h.a.Interface) {
		if f.RemotePort == sender.LocalAddr().(*net.TCPAddr).AddrPort().Port() {
			t.Errorf("the flow is tracked: %+v", f)
		}
	}
	before := h.Status(h.a.Interface).Packets[flow.Ingress][noRule]
	h.SetPolicy(h.a.Interface, world(nil, outAll))
	// What had passed before is in the socket; then nothing comes.
	rest := make([]byte, 1<<20)
	for drained := 0; drained < freight; {
		receiver.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := receiver.Read(rest)
		drained += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if h.Status(h.a.Interface).Packets[flow.Ingress][noRule] == before {
				t.Error("the flow ended, but nothing was denied")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the flow goes on without a rule")
}
