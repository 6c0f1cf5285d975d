// SPDX-License-Identifier: Apache-2.0

// Package bpftest runs the real programs on packets of its own making, without
// sending any: a rig of interfaces in a network namespace of the test, a clock
// that stands still, and builders of frames. Only tests import it.
//
//	rig := bpftest.New(t)
//	a := rig.Attach(bpftest.Interface("eni-a", "10.0.1.10"))
//	rig.SetPolicy(a, policy.Source{…})
//	got := rig.Out(a, bpftest.TCP("10.0.1.10:40000", "203.0.113.1:443", "S"))
//	rig.Advance(30 * time.Second)
//	got = rig.In(a, bpftest.TCP("203.0.113.1:443", "10.0.1.10:40000", "SA"))
//
// Out is from_instance: egress at a and, if the destination is an interface of
// the rig, ingress there. In is to_instance: ingress of what the host's own
// stack delivers, whose source speaks for its groups only if it is no interface
// of the rig. Frames leave the builders with MAC addresses of nobody; Out and In
// fill them in unless the builder was told otherwise.
package bpftest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// VPC is the VPC of interfaces that name no other.
const VPC = "vpc-1"

// rigs numbers the rigs of this process.
var rigs atomic.Int64

// Rig is a datapath of its own, for one test. It must be used from the test's
// own goroutine, which it keeps in its network namespace.
type Rig struct {
	*datapath.Datapath
	Config datapath.Config

	t        testing.TB
	ns       netns.NsHandle // that its devices are in
	now      time.Duration
	jiffy    time.Duration
	devices  int
	policies map[string]datapath.PolicyID // in force, by interface
	revision int64
}

// New makes a rig and takes it away when the test ends. It needs root.
func New(t testing.TB) *Rig {
	t.Helper()
	return NewWith(t, func(*datapath.Config) {})
}

// NewWith makes a rig whose Config differs from the usual small one.
func NewWith(t testing.TB, change func(*datapath.Config)) *Rig {
	t.Helper()
	sweepOnce.Do(sweep)
	r := &Rig{t: t, ns: enter(t), policies: make(map[string]datapath.PolicyID), jiffy: jiffy(t)}
	r.Config = datapath.Config{
		Dir:           fmt.Sprintf("%s%d_%d", pinned, os.Getpid(), rigs.Add(1)),
		MaxInterfaces: 16, MaxFlows: 4096, MaxTransitFlows: 256, MaxAddresses: 4096,
		MaxPrefixes: 8192, MaxSteps: 1 << 17, MaxPolicies: 256, MaxClasses: 256,
		Testing: true,
	}
	change(&r.Config)
	r.Open()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := datapath.Remove(r.Config.Dir); err != nil {
			t.Error(err)
		}
	})
	return r
}

// pinned begins the names of what rigs pin. The process id follows.
const pinned = "/sys/fs/bpf/hedgeward_test_"

var sweepOnce sync.Once

// sweep removes what test processes that were killed have left: their maps hold
// memory until the machine is restarted.
func sweep() {
	left, _ := filepath.Glob(pinned + "*")
	for _, dir := range left {
		owner, _, _ := strings.Cut(strings.TrimPrefix(dir, pinned), "_")
		if pid, err := strconv.Atoi(owner); err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			os.RemoveAll(dir)
		}
	}
}

// jiffy returns the unit of the programs' clock.
func jiffy(t testing.TB) time.Duration {
	t.Helper()
	var res unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &res); err != nil {
		t.Fatal(err)
	}
	return time.Duration(res.Nsec)
}

// Join lets a subtest use the rig until it ends: in the rig's network namespace, and
// so that the rig fails the subtest.
func (r *Rig) Join(t testing.TB) {
	t.Helper()
	parent := r.t
	r.t = t
	t.Cleanup(func() { r.t = parent })
	r.Enter(t)
}

// Enter puts another goroutine of a test into the rig's network namespace, until it
// ends.
func (r *Rig) Enter(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if err := netns.Set(r.ns); err != nil {
		t.Fatal(err)
	}
}

// enter puts the test into a new network namespace until it ends.
func enter(t testing.TB) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	old, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatalf("make a network namespace (needs root): %v", err)
	}
	t.Cleanup(func() {
		ns.Close()
		if err := netns.Set(old); err != nil {
			t.Fatal(err) // the thread stays locked and dies with the goroutine
		}
		old.Close()
		runtime.UnlockOSThread()
	})
	return ns
}

// Open opens the rig's datapath again after Close, as a restarted agent would.
func (r *Rig) Open() {
	r.t.Helper()
	dp, err := datapath.Open(r.Config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Datapath = dp
	clear(r.policies) // what is in force is adopted, and goes when it is replaced
	if r.Config.Testing {
		r.Advance(0)
	}
}

// Advance moves the clock.
func (r *Rig) Advance(d time.Duration) {
	r.t.Helper()
	r.now += d
	// Far from zero, where an entry that was never written would look live.
	const start = 1 << 20
	if err := r.SetClock(start + uint32(r.now/r.jiffy)); err != nil {
		r.t.Fatal(err)
	}
}

// Interface returns an interface of VPC with the usual surroundings and the
// given addresses, not yet attached.
func Interface(id string, addresses ...string) datapath.Interface {
	i := datapath.Interface{
		ID: id, VPC: VPC, SourceDestCheck: true,
		RouterAddresses: []netip.Addr{netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("2001:db8:1:1::1")},
		VPCPrefixes:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("2001:db8:1::/56")},
		Subnet:          netip.MustParsePrefix("10.0.1.0/24"),
	}
	for _, a := range addresses {
		i.Addresses = append(i.Addresses, netip.MustParseAddr(a))
	}
	return i
}

// Attach attaches an interface, on a new veth device unless it has one.
func (r *Rig) Attach(i datapath.Interface) datapath.Interface {
	r.t.Helper()
	if i.Ifindex == 0 {
		i.Device, i.Ifindex = r.Device()
	}
	if i.MAC == nil {
		i.MAC = net.HardwareAddr{2, 0, 0, 0, 0, byte(i.Ifindex)}
	}
	if err := r.Datapath.Attach(i); err != nil {
		r.t.Fatal(err)
	}
	return i
}

// Device makes a veth pair and returns its host side.
func (r *Rig) Device() (name string, ifindex int) {
	r.t.Helper()
	r.devices++
	name = fmt.Sprintf("host%d", r.devices)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: fmt.Sprintf("inst%d", r.devices)}
	if err := netlink.LinkAdd(veth); err != nil {
		r.t.Fatal(err)
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return name, l.Attrs().Index
}

// SetPolicy compiles rules and puts them in force at an interface, in place of
// what was.
func (r *Rig) SetPolicy(i datapath.Interface, src policy.Source) {
	r.t.Helper()
	id, err := r.ReplacePolicy(r.policies[i.ID], policy.Compile(src))
	if err != nil {
		r.t.Fatal(err)
	}
	r.revision++
	if err := r.Datapath.SetPolicy(i.ID, id, r.revision); err != nil {
		r.t.Fatal(err)
	}
	if old := r.policies[i.ID]; old != 0 {
		if err := r.DeletePolicy(old); err != nil {
			r.t.Fatal(err)
		}
	}
	r.policies[i.ID] = id
}

// SetGroups says which groups an address of VPC is in; iface is "" for one that
// is not in the rig.
func (r *Rig) SetGroups(iface, addr string, groups ...string) {
	r.t.Helper()
	a := datapath.Address{VPC: VPC, Addr: netip.MustParseAddr(addr), Interface: iface, Groups: groups}
	if err := r.PutAddress(a); err != nil {
		r.t.Fatal(err)
	}
}

// Out has the instance behind an interface send a frame.
func (r *Rig) Out(i datapath.Interface, f Frame) datapath.ProgramRun {
	r.t.Helper()
	return r.run(flow.Egress, i, f.from(i.MAC, datapath.RouterMAC))
}

// In has the host's own stack deliver a frame to an interface.
func (r *Rig) In(i datapath.Interface, f Frame) datapath.ProgramRun {
	r.t.Helper()
	return r.run(flow.Ingress, i, f.from(datapath.RouterMAC, i.MAC))
}

func (r *Rig) run(d flow.Direction, i datapath.Interface, f Frame) datapath.ProgramRun {
	r.t.Helper()
	got, err := r.RunProgram(d, i.Ifindex, f.Bytes, f.Segments)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// Flows returns the live flows of an interface.
func (r *Rig) Flows(i datapath.Interface) (out []datapath.Flow) {
	r.t.Helper()
	err := r.Datapath.Flows(func(f datapath.Flow) bool {
		if f.Live && f.Interface == i.ID {
			out = append(out, f)
		}
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// Status returns the status of an interface.
func (r *Rig) Status(i datapath.Interface) datapath.InterfaceStatus {
	r.t.Helper()
	all, err := r.Interfaces()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range all {
		if s.ID == i.ID {
			return s
		}
	}
	r.t.Fatalf("no interface %s", i.ID)
	return datapath.InterfaceStatus{}
}
