// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

const (
	soon  = 10 * time.Second       // bounds what must happen
	grace = 100 * time.Millisecond // Config.StopGrace of tests
)

// rig is a driver on a host of its own: a namespace that the test may fill as it
// likes. Only the names under /run/netns are the machine's; ids are random.
type rig struct {
	t      *testing.T
	host   *testnet.NS
	state  string
	driver *Netns

	attached []string // what attach was called for
	refuse   string   // interface id that attach refuses
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, host: testnet.New(t), state: t.TempDir()}
	r.restart()
	return r
}

// restart forgets the driver, as the end of its process does.
func (r *rig) restart() {
	r.driver = NewNetns(Config{StateDir: r.state, StopGrace: grace})
}

func (r *rig) attach(id, device string, ifindex int) error {
	r.attached = append(r.attached, id)
	l, err := r.host.Link.LinkByName(device)
	if err != nil {
		return err
	}
	if l.Attrs().Index != ifindex {
		return fmt.Errorf("%s has index %d, attach was told %d", device, l.Attrs().Index, ifindex)
	}
	if id == r.refuse {
		return fmt.Errorf("refused by the test")
	}
	return nil
}

func (r *rig) ensure(spec Spec) (err error) {
	r.host.Do(func() { err = r.driver.Ensure(context.Background(), spec, r.attach) })
	return err
}

func (r *rig) mustEnsure(spec Spec) {
	r.t.Helper()
	if err := r.ensure(spec); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) destroy(id string) (err error) {
	r.host.Do(func() { err = r.driver.Destroy(context.Background(), id) })
	return err
}

// list returns what List finds of the given instances: other tests, and the
// machine itself, may have more.
func (r *rig) list(ids ...string) (found []Found) {
	r.t.Helper()
	var err error
	r.host.Do(func() { found, err = r.driver.List() })
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.DeleteFunc(found, func(f Found) bool { return !slices.Contains(ids, f.ID) })
}

// inside returns the instance's namespace.
func (r *rig) inside(id string) *testnet.NS { return testnet.Named(r.t, NamespaceName(id)) }

func randomID(prefix string) string {
	b := make([]byte, 9)
	_, _ = rand.Read(b) // never fails
	return prefix + hex.EncodeToString(b)[:17]
}

// spec returns an instance with one interface per host number, in 10.9.0.0/24
// and 2001:db8:9::/64. It is destroyed when the test ends.
func (r *rig) spec(hosts ...int) Spec {
	s := Spec{ID: randomID("i-"), Hostname: fmt.Sprintf("ip-10-9-0-%d", hosts[0])}
	for index, host := range hosts {
		s.Interfaces = append(s.Interfaces, newInterface(index, host))
	}
	r.t.Cleanup(func() {
		if err := r.destroy(s.ID); err != nil {
			r.t.Error(err)
		}
	})
	return s
}

func newInterface(index, host int) Interface {
	return Interface{
		ID: randomID("eni-"), DeviceIndex: index, MAC: net.HardwareAddr{2, 0x99, 0, 0, 0, byte(host)},
		Addresses: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.9.0.%d/24", host)),
			netip.MustParsePrefix(fmt.Sprintf("2001:db8:9::%x/64", host)),
		},
		Gateways: []netip.Addr{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("2001:db8:9::1")},
	}
}

// picture returns everything the driver promises about an instance as text,
// without what may change when a device is made anew.
func (r *rig) picture(s Spec) string {
	r.t.Helper()
	var b strings.Builder
	inside := r.inside(s.ID)
	links, err := dump(inside.Link.LinkList)
	if err != nil {
		r.t.Fatal(err)
	}
	names := map[int]string{}
	slices.SortFunc(links, func(a, b netlink.Link) int { return strings.Compare(a.Attrs().Name, b.Attrs().Name) })
	for _, l := range links {
		a := l.Attrs()
		names[a.Index] = a.Name
		fmt.Fprintf(&b, "%s %s %s up=%v mtu %d", a.Name, l.Type(), a.HardwareAddr, a.Flags&net.FlagUp != 0, a.MTU)
		addrs, err := addresses(inside.Link, l)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, p := range addrs {
			if !p.Addr().IsLinkLocalUnicast() {
				fmt.Fprintf(&b, " %s", p)
			}
		}
		fmt.Fprintln(&b)
	}
	var routes []string
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := dump(func() ([]netlink.Route, error) { return inside.Link.RouteList(nil, family) })
		if err != nil {
			r.t.Fatal(err)
		}
		for _, route := range list {
			if ones, _ := route.Dst.Mask.Size(); ones == 0 {
				routes = append(routes, fmt.Sprintf("default via %s %s\n", route.Gw, names[route.LinkIndex]))
			}
		}
	}
	slices.Sort(routes)
	b.WriteString(strings.Join(routes, ""))
	for _, i := range s.ordered() {
		if l, err := r.host.Link.LinkByName(DeviceName(i.ID)); err == nil {
			a := l.Attrs()
			fmt.Fprintf(&b, "%s %s up=%v mtu %d %q\n", a.Name, a.HardwareAddr, a.Flags&net.FlagUp != 0, a.MTU, a.Alias)
		}
	}
	return b.String()
}

// want returns the picture that a spec promises.
func want(s Spec) string {
	var b strings.Builder
	for _, i := range s.ordered() {
		fmt.Fprintf(&b, "eth%d veth %s up=true mtu 9001", i.DeviceIndex, i.MAC)
		for _, p := range i.Addresses {
			fmt.Fprintf(&b, " %s", p)
		}
		fmt.Fprintln(&b)
	}
	b.WriteString("lo device  up=true mtu 65536 127.0.0.1/8 ::1/128\n")
	if len(s.Interfaces) > 0 {
		for _, g := range s.ordered()[0].Gateways {
			fmt.Fprintf(&b, "default via %s eth%d\n", g, s.ordered()[0].DeviceIndex)
		}
	}
	for _, i := range s.ordered() {
		fmt.Fprintf(&b, "%s 02:48:47:00:00:01 up=true mtu 9001 %q\n", DeviceName(i.ID), "hedgeward "+i.ID+" "+s.ID)
	}
	return b.String()
}

func (r *rig) check(s Spec) {
	r.t.Helper()
	if got := r.picture(s); got != want(s) {
		r.t.Errorf("got\n%s\nwant\n%s", got, want(s))
	}
}

// checkThreads fails the test if a thread of this process stays in another
// namespace. One that is to end does so a moment after its work.
func checkThreads(t *testing.T) {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
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
	for end := time.Now().Add(soon); len(strangers()) > 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("threads stay behind: %v", strangers())
		}
	}
}
