// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/feed/teller"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/policy"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Answer is what becomes of the packet.
type Answer struct {
	From   End    `json:"from"`
	To     End    `json:"to"`
	Passes bool   `json:"passes"` // every gate that was asked lets it through
	Gates  []Gate `json:"gates"`  // in the order in which the packet meets them; never none
	// Beyond says what no gate decides: that the destination is nobody's.
	Beyond string `json:"beyond,omitempty"`
}

// Gate is what one interface says.
type Gate struct {
	Interface string   `json:"interface"`
	Instance  string   `json:"instance,omitempty"`
	Direction string   `json:"direction"` // "egress" of the sender, "ingress" of the receiver
	Groups    []string `json:"groups"`    // that judge, sorted
	Passes    bool     `json:"passes"`
	Reason    string   `json:"reason"` // as counters name it: rule, no_rule, no_policy
	Detail    string   `json:"detail,omitempty"`
	Rule      *Rule    `json:"rule,omitempty"`   // that admits it; the first by number, as the kernel names it
	Misses    []Miss   `json:"misses,omitempty"` // of a packet that no rule admits
}

// Rule is one rule as it is shown.
type Rule struct {
	ID    string `json:"id"`
	Group string `json:"group"`
	Name  string `json:"groupName"`
	Text  string `json:"text"` // of the rule's key
}

// Miss is a rule that fails in one field only.
type Miss struct {
	Rule
	Field string `json:"field"` // protocol, port or peer
}

// Ask answers a question from what the store says. host is the one whose
// interfaces are judged.
//
// Errors are the question's: they say what to ask instead.
func Ask(snap *model.Snapshot, host string, q Question) (*Answer, error) {
	p, err := q.packet()
	if err != nil {
		return nil, err
	}
	from, to, err := ends(snap, &q)
	if err != nil {
		return nil, err
	}
	if p.protocol == uint8(secgroup.ICMP) && from.Address.Is6() || p.protocol == uint8(secgroup.ICMPv6) && from.Address.Is4() {
		return nil, fmt.Errorf("%s is not spoken between %s and %s", q.Protocol, from.Address, to.Address)
	}
	told := teller.NewHost(host).Update(snap, nil, true)
	a := &Answer{From: from, To: to, Passes: true}
	for _, gate := range []struct {
		dir       flow.Direction
		own, peer End
	}{{flow.Egress, from, to}, {flow.Ingress, to, from}} {
		if gate.own.row == nil || q.Interface != "" && gate.own.Interface != q.Interface {
			continue
		}
		g := judge(snap, told, gate.dir, gate.own, gate.peer.Address, p)
		a.Gates = append(a.Gates, g)
		a.Passes = a.Passes && g.Passes
	}
	if len(a.Gates) == 0 {
		if q.Interface != "" {
			return nil, fmt.Errorf("neither %s nor %s is an address of %s, so it judges no packet between them", from.Address, to.Address, q.Interface)
		}
		return nil, fmt.Errorf("neither %s nor %s is an address of an interface here; name one by its id", from.Address, to.Address)
	}
	if lost := noRoute(snap, from, to); lost != "" {
		a.Passes, a.Beyond = false, flow.ReasonNoRoute.String()+": "+lost
	} else if lost := outside(snap, from, to); lost != "" {
		a.Passes, a.Beyond = false, lost
	}
	return a, nil
}

// noRoute says why a packet of an interface here gets nowhere that is known, "" if
// it does: to the other interface, or out of the VPC.
func noRoute(snap *model.Snapshot, from, to End) string {
	switch {
	case from.row == nil:
	case to.row == nil && inside(snap, from.row.VPC, to.Address):
		return fmt.Sprintf("nobody has %s in %s", to.Address, from.row.VPC)
	case to.row != nil && seen(snap, from.row, to.Address) != to.row:
		return fmt.Sprintf("%s in %s does not lead to %s of %s", to.Address, from.row.VPC, to.Interface, to.row.VPC)
	}
	return ""
}

// outside says why a packet to nobody's address does not reach the internet, with
// the reason before it; "" if it does or is not for there
// (docs/spec/packet-semantics.md section 1.11).
func outside(snap *model.Snapshot, from, to End) string {
	if from.row == nil || to.row != nil {
		return ""
	}
	t, _ := snap.RouteTableOf(from.row.Subnet, from.row.VPC)
	if t == nil {
		return ""
	}
	switch r := t.Route(to.Address); {
	case r != nil && r.NAT != "" && snap.Active(t, r): // under the gateway's address
	case r == nil || r.Gateway == "" || !snap.Active(t, r):
		return fmt.Sprintf("%s: no route of %s leads to %s", flow.ReasonNoRoute, t.ID, to.Address)
	case from.Address.Is4() && !snap.PublicAddress(from.row, from.Address).IsValid():
		return fmt.Sprintf("%s: nothing stands for %s on the internet", flow.ReasonNoPublicAddress, from.Address)
	}
	return ""
}

// inside reports whether an address is in a VPC's blocks.
func inside(snap *model.Snapshot, vpc string, a netip.Addr) bool {
	v := snap.VPCs.Get(vpc)
	if v == nil {
		return false
	}
	for _, blocks := range [][]secgroup.CIDRAssociation{v.CIDRs, v.IPv6} {
		for _, b := range blocks {
			if b.Prefix.Contains(a) {
				return true
			}
		}
	}
	return false
}

// judge asks one interface, with what its host would judge by.
func judge(snap *model.Snapshot, told *feed.Delta, dir flow.Direction, own End, remote netip.Addr, p packet) Gate {
	g := Gate{Interface: own.Interface, Instance: own.Instance, Direction: dir.String()}
	ifc := told.Interfaces[own.Interface]
	if ifc == nil {
		g.Reason, g.Detail = flow.ReasonNoPolicy.String(), whyClosed(snap, own)
		return g
	}
	g.Groups = ifc.Groups
	var src policy.Source
	for _, id := range ifc.Groups {
		if group := told.Groups[id]; group != nil {
			for d, rules := range group.Rules {
				src[d] = append(src[d], rules...)
			}
		}
	}
	var groups []string // of the remote end, that rules here may name
	if known := told.Addresses[feed.AddressKey{VPC: ifc.Network, Addr: remote}]; known != nil {
		groups = known.Groups
	}
	tables := policy.Compile(src)
	if id, ok := tables.Match(dir, remote, groups, p.protocol, p.port); ok {
		rule := show(snap, id)
		g.Passes, g.Reason, g.Rule = true, flow.ReasonRule.String(), &rule
		return g
	}
	g.Reason = flow.ReasonNoRule.String()
	for _, m := range tables.Misses(dir, remote, groups, p.protocol, p.port) {
		g.Misses = append(g.Misses, Miss{show(snap, m.Rule), m.Field.String()})
	}
	return g
}

// whyClosed says why an interface is not in force.
func whyClosed(snap *model.Snapshot, own End) string {
	if own.Instance == "" {
		return "it is attached to no instance"
	}
	if in := snap.Instances.Get(own.Instance); in != nil {
		return fmt.Sprintf("instance %s is %s", in.ID, in.State)
	}
	return "its instance is not there"
}

// show returns a rule as the store has it.
func show(snap *model.Snapshot, id string) Rule {
	for g := range snap.Groups.By(model.ByRule, id) {
		for i := range g.Rules {
			if g.Rules[i].ID == id {
				return Rule{ID: id, Group: g.ID, Name: g.Name, Text: strings.TrimSuffix(g.Rules[i].RuleKey.String(), ", ALLOW")}
			}
		}
	}
	return Rule{ID: id}
}
