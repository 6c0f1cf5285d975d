// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/policy"
	"github.com/hedgeward/hedgeward/secgroup"
)

// strictKernel is a datapath in memory that fails the test when the agent refers
// to something before it is there or removes something that is in use.
type strictKernel struct {
	t          *testing.T
	full       error // what ReplacePolicy answers while set
	next       datapath.PolicyID
	policies   map[datapath.PolicyID]*policy.Policy
	interfaces map[string]*datapath.InterfaceStatus
	addresses  map[feed.AddressKey]datapath.Address
	owners     map[feed.AddressKey]string // address -> interface
	judged     []string                   // rules of every policy that SetPolicy put in force, in order
	turning    map[feed.AddressKey]turn   // addresses that were put so
	step       func()                     // called after every change, if set
	routes     map[string][]datapath.Route
	public     map[string]map[netip.Addr]netip.Addr // by interface
	allowances map[string]int                       // likewise
	uplink     int
	overlay    int
	vnis       map[uint32]string
}

// turn is what an address holds for the policies up to one, and groups after it.
type turn struct {
	groups []string
	until  datapath.PolicyID
}

func (k *strictKernel) changed() {
	if k.step != nil {
		k.step()
	}
}

// member reports whether a policy takes an address for one of a group's.
func (k *strictKernel) member(key feed.AddressKey, p datapath.PolicyID, group string) bool {
	groups := k.addresses[key].Groups
	if turning, ok := k.turning[key]; ok && p <= turning.until {
		groups = turning.groups
	}
	return slices.Contains(groups, group)
}

func newStrictKernel(t *testing.T) *strictKernel {
	return &strictKernel{
		t: t, policies: map[datapath.PolicyID]*policy.Policy{}, interfaces: map[string]*datapath.InterfaceStatus{},
		addresses: map[feed.AddressKey]datapath.Address{}, owners: map[feed.AddressKey]string{},
		turning: map[feed.AddressKey]turn{}, routes: map[string][]datapath.Route{}, public: map[string]map[netip.Addr]netip.Addr{},
		allowances: map[string]int{},
	}
}

func (k *strictKernel) Attach(i datapath.Interface) error {
	k.public[i.ID], k.allowances[i.ID] = i.Public, i.Allowance
	maps.DeleteFunc(k.owners, func(_ feed.AddressKey, owner string) bool { return owner == i.ID })
	for _, addr := range i.Addresses {
		key := feed.AddressKey{VPC: i.VPC, Addr: addr}
		if owner := k.owners[key]; owner != "" {
			return fmt.Errorf("address %s is interface %s's", addr, owner)
		}
		k.owners[key] = i.ID
	}
	if old := k.interfaces[i.ID]; old != nil {
		old.Device, old.Ifindex = i.Device, i.Ifindex
		return nil
	}
	k.interfaces[i.ID] = &datapath.InterfaceStatus{ID: i.ID, VPC: i.VPC, Device: i.Device, Ifindex: i.Ifindex, Attached: i.Attached}
	return nil
}

func (k *strictKernel) Detach(id string) error {
	maps.DeleteFunc(k.owners, func(_ feed.AddressKey, owner string) bool { return owner == id })
	delete(k.interfaces, id)
	return nil
}

func (k *strictKernel) ReplacePolicy(_ datapath.PolicyID, p *policy.Policy) (datapath.PolicyID, error) {
	if k.full != nil {
		return 0, k.full
	}
	k.next++
	k.policies[k.next] = p
	return k.next, nil
}

func (k *strictKernel) SetPolicy(id string, p datapath.PolicyID, revision int64) error {
	i := k.interfaces[id]
	if i == nil || p != 0 && k.policies[p] == nil {
		k.t.Errorf("SetPolicy(%s, %d): no such interface or policy", id, p)
		return errors.New("no such thing")
	}
	i.Policy, i.Revision = p, revision
	k.judged = append(k.judged, k.rules(id))
	k.changed()
	return nil
}

func (k *strictKernel) DeletePolicy(p datapath.PolicyID) error {
	for id, i := range k.interfaces {
		if i.Policy == p {
			k.t.Errorf("DeletePolicy(%d) while %s is judged by it", p, id)
		}
	}
	delete(k.policies, p)
	return nil
}

func (k *strictKernel) PutAddress(a datapath.Address) error {
	if a.Interface != "" && k.interfaces[a.Interface] == nil {
		k.t.Errorf("PutAddress(%s) on %s, which is not attached", a.Addr, a.Interface)
	}
	key := feed.AddressKey{VPC: a.VPC, Addr: a.Addr, Bits: a.Bits}
	if delete(k.turning, key); a.Turning {
		k.turning[key] = turn{k.addresses[key].Groups, k.next}
	}
	k.addresses[key] = a
	k.changed()
	return nil
}

func (k *strictKernel) DeleteAddress(vpc string, addr netip.Addr) error {
	key := feed.AddressKey{VPC: vpc, Addr: addr}
	if _, there := k.addresses[key]; !there {
		return fmt.Errorf("address %s %w", addr, datapath.ErrNotFound)
	}
	delete(k.addresses, key)
	return nil
}

func (k *strictKernel) DeletePrefix(vpc string, p netip.Prefix) error {
	key := feed.AddressKey{VPC: vpc, Addr: p.Addr(), Bits: p.Bits()}
	if _, there := k.addresses[key]; !there {
		return fmt.Errorf("prefix %s %w", p, datapath.ErrNotFound)
	}
	delete(k.addresses, key)
	return nil
}

func (k *strictKernel) SetRoutes(network string, routes []datapath.Route) error {
	if delete(k.routes, network); len(routes) > 0 {
		k.routes[network] = routes
	}
	return nil
}

func (k *strictKernel) SetUplink(ifindex int) error {
	k.uplink = ifindex
	return nil
}

func (k *strictKernel) SetOverlay(ifindex int, _ netip.AddrPort) error {
	k.overlay = ifindex
	return nil
}

func (k *strictKernel) SetVNIs(vnis map[uint32]string) error {
	k.vnis = vnis
	return nil
}

func (k *strictKernel) Adopted() datapath.Adopted {
	var a datapath.Adopted
	for id := range k.interfaces {
		a.Interfaces = append(a.Interfaces, id)
	}
	for _, addr := range k.addresses {
		a.Addresses = append(a.Addresses, addr)
	}
	return a
}

func (k *strictKernel) Interfaces() ([]datapath.InterfaceStatus, error) {
	var out []datapath.InterfaceStatus
	for _, i := range k.interfaces {
		out = append(out, *i)
	}
	return out, nil
}

// rules returns the ids of the rules that judge an interface's ingress.
func (k *strictKernel) rules(id string) string {
	i := k.interfaces[id]
	if i == nil || i.Policy == 0 {
		return "closed"
	}
	return fmt.Sprint(k.policies[i.Policy].Tables[0].Rules)
}

// fakeDriver makes instances in memory: each interface is attached as the real
// driver would, and up only if that succeeded.
type fakeDriver struct {
	mu         sync.Mutex
	broken     error
	uplink     instance.Uplink
	overlay    instance.Overlay    // zero: there is none
	shorter    bool                // EnsureOverlay says that interfaces have another MTU
	up         map[string][]string // instance -> interfaces that are up
	ensuring   func()              // called by Ensure first
	destroying func()              // called by Destroy first
	ended      func()              // of the newest Ensure's Spec
	changed    chan struct{}       // capacity 100: one for every call
	devices    *fakeDevices
}

func newFakeDriver() *fakeDriver {
	return &fakeDriver{up: map[string][]string{}, changed: make(chan struct{}, 100), devices: &fakeDevices{news: make(chan instance.Device)}}
}

func (d *fakeDriver) EnsureUplink(u instance.Uplink, attach func(string, int) error) error {
	d.uplink = u
	return attach("uplink", 7)
}

func (d *fakeDriver) EnsureOverlay(o instance.Overlay, attach func(string, int) error) (bool, error) {
	d.overlay = o
	return d.shorter, attach("overlay", 8)
}

func (d *fakeDriver) RemoveOverlay() ([]string, error) {
	d.overlay = instance.Overlay{}
	return nil, nil
}

func (d *fakeDriver) Ensure(_ context.Context, s instance.Spec, attach instance.Attach) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.changed <- struct{}{} }()
	if d.ensuring != nil {
		d.ensuring()
	}
	if d.broken != nil {
		return d.broken
	}
	d.up[s.ID], d.ended = []string{}, s.Ended
	for n, i := range s.Interfaces {
		if err := attach(i.ID, instance.DeviceName(i.ID), 100+n); err != nil {
			return err
		}
		d.up[s.ID] = append(d.up[s.ID], i.ID)
	}
	return nil
}

func (d *fakeDriver) Destroy(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.destroying != nil {
		d.destroying()
	}
	delete(d.up, id)
	d.changed <- struct{}{}
	return nil
}

func (d *fakeDriver) Forget(string) error { return nil }

func (d *fakeDriver) List() ([]instance.Found, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []instance.Found
	for id := range d.up {
		out = append(out, instance.Found{ID: id, Namespace: true})
	}
	return out, nil
}

// reported is what the agent told the server.
type reported struct {
	id     string
	state  secgroup.InstanceState
	detail string
}
