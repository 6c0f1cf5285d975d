// SPDX-License-Identifier: Apache-2.0

package testnet

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

const soon = 5 * time.Second // for what must happen

// never is how long a probe waits for what must not happen.
const never = 100 * time.Millisecond

func TestProbesThroughBridge(t *testing.T) {
	a, b, middle := New(t), New(t), New(t)
	Pair(t, End{NS: middle, Name: "pa"}, End{NS: a, Name: "eth0", Addresses: []string{"10.9.0.1/24", "2001:db8::1/64"}})
	Pair(t, End{NS: middle, Name: "pb"}, End{NS: b, Name: "eth0", Addresses: []string{"10.9.0.2/24", "2001:db8::2/64"}})

	for _, host := range []string{"10.9.0.2", "2001:db8::2"} {
		tcp := b.ServeTCP(t, net.JoinHostPort(host, "0"))
		udp := b.ServeUDP(t, net.JoinHostPort(host, "0"))
		if a.TCP(tcp, never) == nil || a.UDP(udp, never) == nil || a.Ping(udp.Addr(), never) == nil {
			t.Fatalf("%s answers without a bridge", host)
		}
	}
	middle.Bridge(t, "br0", "pa", "pb")
	for _, host := range []string{"10.9.0.2", "2001:db8::2"} {
		tcp := b.ServeTCP(t, net.JoinHostPort(host, "0"))
		udp := b.ServeUDP(t, net.JoinHostPort(host, "0"))
		if err := a.TCP(tcp, soon); err != nil {
			t.Error(err)
		}
		if err := a.UDP(udp, soon); err != nil {
			t.Error(err)
		}
		if err := a.Ping(udp.Addr(), soon); err != nil {
			t.Error(err)
		}
		if err := a.TCP(netip.AddrPortFrom(tcp.Addr(), 1), soon); err == nil {
			t.Errorf("%s port 1 answers", host)
		}
	}
}

func TestRouteToSubnetBehind(t *testing.T) {
	a, b := New(t), New(t)
	Pair(t, End{NS: a, Name: "v0", Addresses: []string{"10.9.0.1/30"}}, End{NS: b, Name: "v0", Addresses: []string{"10.9.0.2/30"}})
	b.Address(t, "lo", "10.10.0.1/24")
	a.Route(t, "10.10.0.0/24", "10.9.0.2", "v0")
	if err := a.Ping(netip.MustParseAddr("10.10.0.1"), soon); err != nil {
		t.Error(err)
	}
}

func TestStartAndThreads(t *testing.T) {
	n := New(t)
	var want string
	n.Do(func() { want, _ = os.Readlink("/proc/thread-self/ns/net") })
	var got strings.Builder
	cmd := exec.Command("readlink", "/proc/self/ns/net")
	cmd.Stdout = &got
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(got.String()) != want {
		t.Errorf("command ran in %q, want %q", got.String(), want)
	}
	home, _ := os.Readlink("/proc/self/ns/net")
	if home == want {
		t.Error("the process itself was moved")
	}
	for range 100 {
		n.Do(func() {})
	}
	strangers := func() (list []string) {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			at, err := os.Readlink("/proc/self/task/" + task.Name() + "/ns/net")
			if err == nil && at != home {
				list = append(list, task.Name()+" in "+at)
			}
		}
		return list
	}
	// A thread that is to end does so a moment after its work.
	for end := time.Now().Add(soon); len(strangers()) > 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("threads stay behind: %v", strangers())
		}
	}
}

func TestUniqueName(t *testing.T) {
	if a, b := UniqueName("ht"), UniqueName("ht"); a == b {
		t.Errorf("two devices named %s", a)
	}
}
