// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/internal/testnet"
)

// machine is a virtual machine at a bridge of the host's.
type machine struct {
	*testnet.Machine
	t    *testing.T
	tap  string
	mac  net.HardwareAddr
	ipv4 netip.Addr
}

// machine makes a machine with an address of the world's, whose tap is down.
func (w *world) machine(host *testnet.NS, tap string, last byte) *machine {
	w.t.Helper()
	m := &machine{t: w.t, tap: tap, mac: net.HardwareAddr{0x52, 0x54, 0, 0, w.block().Addr().As4()[2], last}}
	bytes := w.block().Addr().As4()
	bytes[3] = last
	m.ipv4 = netip.AddrFrom4(bytes)
	m.Machine = testnet.NewMachine(w.t, host, tap, m.mac, m.ipv4.String()+"/24")
	for _, port := range []uint16{80, 81} {
		m.ServeTCP(w.t, netip.AddrPortFrom(m.ipv4, port).String())
	}
	return m
}

// bridge gives the host a bridge with an address, from which it speaks to machines.
func (w *world) bridge(host *testnet.NS, name string, taps ...string) netip.Addr {
	w.t.Helper()
	host.Bridge(w.t, name, taps...)
	address := w.block().Masked().Addr().Next()
	host.Address(w.t, name, address.String()+"/24")
	for _, tap := range taps {
		host.Up(w.t, tap)
	}
	return address
}

// wants expects the machine's port 80 to be open or closed, and nothing else to be
// open but by the same.
func (m *machine) wants(when string, from *testnet.NS, open bool) {
	m.t.Helper()
	err := from.TCP(netip.AddrPortFrom(m.ipv4, 80), within(open))
	if (err == nil) != open {
		m.t.Errorf("%s: port 80 of %s: %v, want it open %v", when, m.tap, err, open)
	}
	if m.isOpen(from, false) {
		m.t.Errorf("%s: port 81 of %s is open", when, m.tap)
	}
}

// isOpen reports whether nobody judges the machine's packets; want says what the test
// expects.
func (m *machine) isOpen(from *testnet.NS, want bool) bool {
	return from.TCP(netip.AddrPortFrom(m.ipv4, 81), within(want)) == nil
}

// TestAnAgentsTap attaches a tap by the agent's command, changes rules by the API, and
// freezes the agent: what is in force stays, and what it missed it catches up with.
func TestAnAgentsTap(t *testing.T) {
	w, host := here.world(t, "10.89.1.0/24"), testnet.Host(t)
	group := w.group("taps")
	m := w.machine(host, "tap7", 20)
	from := w.bridge(host, "br7", "tap7").String() + "/32"
	if !m.isOpen(host, true) {
		t.Fatal("the tap does not work before anybody enforces it")
	}
	made, err := w.api.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &w.subnet, Groups: []string{group}, PrivateIpAddress: aws.String(m.ipv4.String())})
	if err != nil {
		t.Fatal(err)
	}
	eni := *made.NetworkInterface.NetworkInterfaceId
	for range 2 {
		if said := w.command(t, "attach", "--interface", m.tap, "--eni", eni, "--mac", m.mac.String()); !strings.Contains(said, eni+" is enforced at tap7, revision ") {
			t.Errorf("attach says %s", said)
		}
	}
	if said := w.command(t, "list"); !strings.Contains(said, eni) || !strings.Contains(said, attach.Enforced) {
		t.Errorf("list says %s", said)
	}
	m.wants("attached", host, false)
	w.allow(group, 80, from)
	m.wants("allowed", host, true)

	if err := here.agent.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer here.agent.cmd.Process.Signal(syscall.SIGCONT)
	m.wants("with a frozen agent", host, true)
	if _, err := w.api.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: tcp(80, from)}); err != nil {
		t.Fatal(err)
	}
	if _, err := call("hedgeward", "--state", w.serverState(), "wait", "--timeout", "300ms"); err == nil {
		t.Error("wait says that a frozen agent enforces what it has not heard")
	}
	m.wants("revoked while the agent is frozen", host, true)
	if err := here.agent.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	m.wants("given back its time", host, false)

	w.command(t, "detach", "--interface", m.tap)
	if !m.isOpen(host, true) {
		t.Error("a tap that was given back is not its maker's")
	}
	if _, err := w.api.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &eni}); err != nil {
		t.Error(err)
	}
}

// TestADeviceThatMovesToAnotherNamespaceIsAbsent: for the host it is gone; back under
// its name, it is enforced before it is asked to be up.
func TestADeviceThatMovesToAnotherNamespaceIsAbsent(t *testing.T) {
	w, host := here.world(t, "10.89.2.0/24"), testnet.Host(t)
	m := w.machine(host, "tap8", 20)
	host.Address(t, "tap8", w.block().Masked().Addr().Next().String()+"/24")
	host.Up(t, "tap8")
	w.command(t, "attach", "--interface", "tap8", "--subnet", w.subnet, "--addresses", m.ipv4.String(), "--mac", m.mac.String())
	group := here.attached(t)[0].Groups[0]
	w.allow(group, 80, "0.0.0.0/0")
	m.wants("attached", host, true)
	is := func(state string) {
		t.Helper()
		for late := time.Now().Add(patience); ; {
			all := here.attached(t)
			if len(all) == 1 && all[0].State == state && (all[0].Index != 0) == (state == attach.Enforced) {
				return
			}
			if time.Now().After(late) {
				t.Fatalf("it is never %s: %+v", state, all)
			}
		}
	}
	away := testnet.New(t)
	if err := host.Link.LinkSetNsFd(host.Device(t, "tap8"), int(away.File.Fd())); err != nil {
		t.Fatal(err)
	}
	is(attach.Absent)
	away.Address(t, "tap8", w.block().Masked().Addr().Next().String()+"/24")
	away.Up(t, "tap8")
	if !m.isOpen(away, true) {
		t.Error("programs of the host's are on a device that has left it")
	}
	if err := away.Link.LinkSetNsFd(away.Device(t, "tap8"), int(host.File.Fd())); err != nil {
		t.Fatal(err)
	}
	is(attach.Enforced)
	host.Address(t, "tap8", w.block().Masked().Addr().Next().String()+"/24")
	host.Up(t, "tap8")
	m.wants("back", host, true)
	w.command(t, "detach", "--interface", "tap8")
	if left := here.attached(t); slices.ContainsFunc(left, func(i attach.Interface) bool { return i.Device == "tap8" }) || len(w.interfaces()) > 0 {
		t.Errorf("left: %+v", left)
	}
}
