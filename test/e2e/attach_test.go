// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// The network of the machine behind the tap, which no other test uses.
const (
	tapVPC   = "10.201.0.0/16"
	tapHost  = "10.201.1.1"
	tapGuest = "10.201.1.20"
	tapMAC   = "52:54:00:c9:4d:14"
)

// The network of the NIC of the host, which no other test uses either.
const (
	nicVPC   = "10.202.0.0/16"
	nicHost  = "10.202.1.10"
	nicOther = "10.202.1.20"
)

// machine plays a virtual machine: it has the far end of a tap.
type machine struct {
	*os.File
	name string
}

// newMachine makes a tap, with the host's address on it and up.
func newMachine(t *testing.T, name string) *machine {
	t.Helper()
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var req [40]byte
	copy(req[:15], name)
	binary.NativeEndian.PutUint16(req[16:], syscall.IFF_TAP|syscall.IFF_NO_PI)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&req))); errno != 0 {
		t.Fatal(errno)
	}
	m := &machine{os.NewFile(uintptr(fd), name), name}
	t.Cleanup(func() { m.Close() })
	for _, args := range []string{
		"addr add " + tapHost + "/24 dev " + name,
		"neigh replace " + tapGuest + " lladdr " + tapMAC + " dev " + name + " nud permanent",
		"link set " + name + " up",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	return m
}

// hears reports whether a datagram of the host to a port reaches the machine.
func (m *machine) hears(t *testing.T, port int) bool {
	t.Helper()
	mark := []byte(fmt.Sprintf("to %d at %d", port, time.Now().UnixNano()))
	c, err := net.Dial("udp", net.JoinHostPort(tapGuest, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(mark); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 2000)
	m.SetReadDeadline(time.Now().Add(time.Second))
	for {
		n, err := m.Read(frame)
		if err != nil {
			return false
		}
		if bytes.Contains(frame[:n], mark) {
			return true
		}
	}
}

// says reports whether a datagram of the machine, with a source address, reaches the
// host.
func (m *machine) says(t *testing.T, source string) bool {
	t.Helper()
	l, err := net.ListenPacket("udp", tapHost+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	device, err := net.InterfaceByName(m.name)
	if err != nil {
		t.Fatal(err)
	}
	mac, _ := net.ParseMAC(tapMAC)
	frame := append(append(append([]byte{}, device.HardwareAddr...), mac...), 0x08, 0x00)
	ip := []byte{0x45, 0, 0, 29, 0, 1, 0, 0, 64, 17, 0, 0}
	ip = append(append(ip, net.ParseIP(source).To4()...), net.ParseIP(tapHost).To4()...)
	sum := uint32(0)
	for n := 0; n < len(ip); n += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[n:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	udp := []byte{0x30, 0x39, 0, 0, 0, 9, 0, 0, 'x'}
	binary.BigEndian.PutUint16(udp[2:], uint16(l.LocalAddr().(*net.UDPAddr).Port))
	if _, err := m.Write(append(append(frame, ip...), udp...)); err != nil {
		t.Fatal(err)
	}
	l.SetReadDeadline(time.Now().Add(time.Second))
	_, _, err = l.ReadFrom(make([]byte, 100))
	return err == nil
}

// TestATapIsEnforced follows a machine behind a tap that we did not make: through
// rules that change, the death of the server, and the machine's own
// (docs/spec/packet-semantics.md section 4.8).
func TestATapIsEnforced(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	w := newWorld(t, s, "us-east-1", tapVPC)
	group := w.group("taps")
	made, err := w.api.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{
		SubnetId: &w.subnet, Groups: []string{group}, PrivateIpAddress: new(tapGuest),
	})
	if err != nil {
		t.Fatal(err)
	}
	eni := *made.NetworkInterface.NetworkInterfaceId
	tap := fmt.Sprintf("hwtap%d", os.Getpid()%1000000)
	s.Refuses(t, []string{"this host has no device"}, "attach", "--interface", tap, "--eni", eni)
	m := newMachine(t, tap)
	if !m.hears(t, 5000) || !m.says(t, tapGuest) {
		t.Fatal("the tap does not work before anybody enforces it")
	}

	said := s.Command(t, "attach", "--interface", tap, "--eni", eni, "--mac", tapMAC)
	if !strings.Contains(said, eni+" is enforced at "+tap+", revision ") {
		t.Errorf("attach says %s", said)
	}
	judged := func(when string, open bool) {
		t.Helper()
		if got := m.hears(t, 5000); got != open {
			t.Errorf("%s: port 5000 open %v, want %v", when, got, open)
		}
		if m.hears(t, 5001) {
			t.Errorf("%s: port 5001 is open", when)
		}
		if !m.says(t, tapGuest) || m.says(t, "10.201.1.99") {
			t.Errorf("%s: the machine cannot speak for itself, or can for another", when)
		}
	}
	judged("attached", false)
	w.allow(group, permission("udp", 5000, 5000, tapHost+"/32"))
	s.Settle(t)
	judged("allowed", true)
	s.Kill(t)
	judged("without a server", true)
	s.Start(t)
	w.reconnect()
	s.Settle(t)
	judged("with a new server", true)
	s.Command(t, "attach", "--interface", tap, "--eni", eni) // what hooks do is to ask again

	_, err = w.api.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &eni})
	rig.WantCode(t, "delete what is claimed", err, "InvalidParameterValue")
	m.Close() // with the machine its tap goes
	awaitState(t, s, "absent")
	if status := s.Command(t, "status"); !strings.Contains(status, eni+", claimed for device "+tap+", is not in force") {
		t.Errorf("status does not say so:\n%s", status)
	}
	m = newMachine(t, tap)
	awaitState(t, s, "enforced")
	judged("a new machine", true)

	s.Interrupt(t)
	if said := s.Command(t, "down"); !strings.Contains(said, "opened "+tap+", where "+eni+" was enforced") {
		t.Errorf("down says\n%s", said)
	}
	// The kernel detaches a program a moment after the pin of its link has gone.
	open := m.hears(t, 5001)
	for end := time.Now().Add(rig.Timeout); !open && time.Now().Before(end); {
		open = m.hears(t, 5001)
	}
	if !open {
		t.Error("down leaves a device of somebody else closed")
	}
	s.Start(t)
	w.reconnect()
	judged("after down and up", true)

	s.Command(t, "detach", "--interface", tap)
	if !m.hears(t, 5001) || !m.says(t, tapGuest) {
		t.Error("a tap that was given back is not its maker's")
	}
	shown, err := w.api.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{eni}})
	if err != nil || shown.NetworkInterfaces[0].Status != types.NetworkInterfaceStatusAvailable {
		t.Errorf("given back, it is %v, %v", shown, err)
	}
	if _, err := w.api.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &eni}); err != nil {
		t.Error(err)
	}
}

// awaitState waits until the only attached interface is in a state.
func awaitState(t *testing.T, s *rig.Server, state string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		shown := s.Command(t, "attached")
		if strings.Contains(shown, state) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is never %s:\n%s", state, shown)
		}
	}
}

// TestANICIsEnforced attaches the end of a veth pair that plays a NIC of the host
// itself, through the command: nothing is said about its MAC address, since the
// host has it.
func TestANICIsEnforced(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	w := newWorld(t, s, "us-east-1", nicVPC)
	group := w.group("nics")
	nic, space := fmt.Sprintf("hwnic%d", os.Getpid()%1000000), fmt.Sprintf("hwfar%d", os.Getpid())
	ip := func(args string) {
		t.Helper()
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	ip("netns add " + space)
	t.Cleanup(func() { ip("netns del " + space) }) // and the pair with it
	ip("link add " + nic + " type veth peer name far netns " + space)
	ip("addr add " + nicHost + "/24 dev " + nic)
	ip("link set " + nic + " up")
	ip("-n " + space + " addr add " + nicOther + "/24 dev far")
	ip("-n " + space + " link set far up")
	l, err := net.Listen("tcp", nicHost+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	reached := func() bool { // by the other machine; the kernel answers without an Accept
		script := fmt.Sprintf("exec 3<>/dev/tcp/%s/%d", nicHost, port)
		return exec.Command("ip", "netns", "exec", space, "timeout", "0.8", "bash", "-c", script).Run() == nil
	}
	reaches := func() bool { // who refuses has been reached
		_, err := net.DialTimeout("tcp", nicOther+":9", 500*time.Millisecond)
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	if !reached() || !reaches() {
		t.Fatal("the NIC does not work before anybody enforces it")
	}

	said := s.Command(t, "attach", "--interface", nic, "--own", "--subnet", w.subnet, "--groups", group, "--addresses", nicHost)
	eni, _, ok := strings.Cut(said, " is enforced at "+nic)
	if !ok {
		t.Fatalf("attach says %s", said)
	}
	if shown := s.Command(t, "attached"); !strings.Contains(shown, nic+" (own)") {
		t.Errorf("it is shown as %s", shown)
	}
	if reached() || !reaches() {
		t.Error("with no ingress rule and every egress rule, it is not so")
	}
	w.allow(group, permission("tcp", int32(port), int32(port), nicOther+"/32"))
	s.Settle(t)
	if !reached() {
		t.Error("what a rule admits is dropped")
	}
	_, err = w.api.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: permission("-1", -1, -1, "0.0.0.0/0")})
	if err != nil {
		t.Fatal(err)
	}
	s.Settle(t)
	if reaches() || !reached() {
		t.Error("the host speaks without an egress rule, or cannot answer")
	}
	s.Command(t, "detach", "--eni", eni)
	if !reached() || !reaches() {
		t.Error("a NIC that was given back is not the host's")
	}
	_, err = w.api.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{eni}})
	rig.WantCode(t, "what was made for a device goes with it", err, "InvalidNetworkInterfaceID.NotFound")
}
