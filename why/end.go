// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// End is one end of a packet's way.
type End struct {
	Address   netip.Addr `json:"address"`
	Interface string     `json:"interface,omitempty"` // whose address it is, "" for nobody's that is known here
	Instance  string     `json:"instance,omitempty"`

	row *secgroup.Interface
}

// ends finds both ends. An address means something only where it is used: as the
// other end sees it, or the interface that is asked.
func ends(snap *model.Snapshot, q *Question) (from, to End, err error) {
	sender, err := named(snap, q.From)
	if err != nil {
		return from, to, err
	}
	receiver, err := named(snap, q.To)
	if err != nil {
		return from, to, err
	}
	asked, err := interfaceOf(snap, q.Interface)
	if err != nil {
		return from, to, err
	}
	source, sourceGiven := address(q.From)
	target, targetGiven := address(q.To)
	if sourceGiven && targetGiven && source.Is4() != target.Is4() {
		return from, to, fmt.Errorf("%s and %s are addresses of different families", source, target)
	}
	// Where the addresses are used.
	at := sender
	for _, other := range []*secgroup.Interface{receiver, asked} {
		if at == nil {
			at = other
		}
	}
	if sourceGiven && sender == nil {
		if sender, err = owner(snap, at, source); err != nil {
			return from, to, err
		}
		if at == nil {
			at = sender
		}
	}
	if targetGiven && receiver == nil {
		if receiver, err = owner(snap, at, target); err != nil {
			return from, to, err
		}
		if sourceGiven && sender == nil && receiver != nil {
			if sender, err = owner(snap, receiver, source); err != nil {
				return from, to, err
			}
		}
	}
	if !sourceGiven && !targetGiven {
		source, target = ofOneFamily(sender, receiver)
	} else if !sourceGiven {
		source = ofFamily(sender, target.Is4())
	} else if !targetGiven {
		target = ofFamily(receiver, source.Is4())
	}
	if !source.IsValid() || !target.IsValid() {
		return from, to, fmt.Errorf("%s and %s have no address of one family", q.From, q.To)
	}
	return endOf(source, sender), endOf(target, receiver), nil
}

func endOf(a netip.Addr, row *secgroup.Interface) End {
	e := End{Address: a, row: row}
	if row != nil {
		e.Interface = row.ID
		if row.Attachment != nil {
			e.Instance = row.Attachment.Instance
		}
	}
	return e
}

func address(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a, err == nil
}

// named returns the interface that an id names, nil for an address.
func named(snap *model.Snapshot, text string) (*secgroup.Interface, error) {
	if _, ok := address(text); ok {
		return nil, nil
	}
	if !strings.HasPrefix(text, secgroup.InstancePrefix+"-") {
		if text == "" || !strings.HasPrefix(text, secgroup.InterfacePrefix+"-") {
			return nil, fmt.Errorf("%q is no end; give an address, an interface (eni-…) or an instance (i-…)", text)
		}
		return interfaceOf(snap, text)
	}
	if snap.Instances.Get(text) == nil {
		return nil, fmt.Errorf("there is no instance %s", text)
	}
	for row := range snap.Interfaces.By(model.ByInstance, text) {
		if row.Attachment.DeviceIndex == 0 {
			return row, nil
		}
	}
	return nil, fmt.Errorf("instance %s has no interface any more", text)
}

// interfaceOf returns the interface of an id, nil for "".
func interfaceOf(snap *model.Snapshot, id string) (*secgroup.Interface, error) {
	if id == "" {
		return nil, nil
	}
	row := snap.Interfaces.Get(id)
	if row == nil {
		return nil, fmt.Errorf("there is no interface %s; see: aws ec2 describe-network-interfaces", id)
	}
	return row, nil
}

// owner returns the interface whose address it is as another one sees it, nil for
// nobody. Without one that sees it, it must be one VPC's alone.
func owner(snap *model.Snapshot, at *secgroup.Interface, a netip.Addr) (*secgroup.Interface, error) {
	if at != nil {
		return seen(snap, at, a), nil
	}
	var found *secgroup.Interface
	var vpcs []string
	for v := range snap.VPCs.All() {
		if row := has(snap, v.ID, a); row != nil {
			found, vpcs = row, append(vpcs, v.ID)
		}
	}
	if len(vpcs) > 1 {
		return nil, fmt.Errorf("%s is an address in %s; say which interface is meant with --eni, or name it instead", a, strings.Join(vpcs, " and "))
	}
	return found, nil
}

// seen returns the interface that an address leads to from another one: in its
// VPC, or through a peering connection that its route table names.
func seen(snap *model.Snapshot, at *secgroup.Interface, a netip.Addr) *secgroup.Interface {
	if row := has(snap, at.VPC, a); row != nil {
		return row
	}
	if t, _ := snap.RouteTableOf(at.Subnet, at.VPC); t != nil {
		if p := snap.Route(t, a); p != nil {
			return has(snap, p.Other(at.VPC).VPC, a)
		}
	}
	return nil
}

// has returns the interface of a VPC that has an address, nil for none.
func has(snap *model.Snapshot, vpc string, a netip.Addr) *secgroup.Interface {
	for row := range snap.Interfaces.By(model.ByAddress, model.AddressValue(vpc, a.String())) {
		return row
	}
	for _, bits := range []int{28, 80} { // of delegated prefixes
		if p, err := a.Prefix(bits); err == nil {
			for row := range snap.Interfaces.By(model.ByPrefix, model.AddressValue(vpc, p.String())) {
				return row
			}
		}
	}
	return nil
}

// ofFamily returns an interface's first address of one family.
func ofFamily(row *secgroup.Interface, four bool) netip.Addr {
	for _, a := range slices.Concat(row.Addresses, row.IPv6) {
		if a.Is4() == four {
			return a
		}
	}
	return netip.Addr{}
}

// ofOneFamily returns the first addresses of a family that both interfaces have, IPv4
// if they can.
func ofOneFamily(a, b *secgroup.Interface) (netip.Addr, netip.Addr) {
	for _, four := range []bool{true, false} {
		if x, y := ofFamily(a, four), ofFamily(b, four); x.IsValid() && y.IsValid() {
			return x, y
		}
	}
	return netip.Addr{}, netip.Addr{}
}
