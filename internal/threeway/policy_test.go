// SPDX-License-Identifier: Apache-2.0

package threeway

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/inforce"
	"github.com/hedgeward/hedgeward/oracle"
	"github.com/hedgeward/hedgeward/policy"
)

// tables are the compiled policies of all interfaces of a world.
type tables map[string]*policy.Policy

// compile compiles the policies of all interfaces anew.
func compile(w *oracle.World) tables {
	t := tables{}
	for name, e := range w.Interfaces {
		t[name] = policy.Compile(inforce.Source(w, e))
	}
	return t
}

// compare asks the oracle and the compiled tables who admits the packet at the
// gate, and whether it passes without state.
func (t tables) compare(w *oracle.World, e *oracle.Interface, d flow.Direction, p flow.Packet, from *oracle.Interface) error {
	if p.Reason != flow.ReasonUnset || !p.IsIP() || p.Fragment.Is {
		return nil // never asked
	}
	id := from
	if d == flow.Egress || w.Switches.AddressIdentity {
		id = w.Owner(e.VPC, p.Remote(d))
	}
	var groups []string
	if id != nil && w.Owner(e.VPC, p.Remote(d)) == id {
		groups = id.Groups
	}
	port := p.DstPort
	if p.Protocol == flow.ProtoICMP || p.Protocol == flow.ProtoICMPv6 {
		port = uint16(p.Type)<<8 | uint16(p.Code)
	}
	want := ""
	if rules := w.Allowed(e, d, p, oracle.Path{From: from}); len(rules) > 0 {
		want = rules[0]
	}
	if got, ok := t[e.Name].Match(d, p.Remote(d), groups, p.Protocol, port); got != want || ok != (want != "") {
		return fmt.Errorf("%s at %s: the tables admit by %q, the specification by %q", d, e.Name, got, want)
	}
	if got, want := t[e.Name].Misses(d, p.Remote(d), groups, p.Protocol, port), misses(w, e, d, p, oracle.Path{From: from}); !slices.Equal(got, want) {
		return fmt.Errorf("%s at %s: the tables are missed by %v, the specification by %v", d, e.Name, got, want)
	}
	if got, want := t[e.Name].Untracked(d, p.Family, p.Protocol, p.SrcPort, p.DstPort), w.Untracked(e, d, p, oracle.Path{}); got != want {
		return fmt.Errorf("%s at %s: untracked by the tables %t, by the specification %t", d, e.Name, got, want)
	}
	return nil
}

// misses asks the oracle which rules would admit a packet that they do not admit
// if one of their fields were as wide as it can be.
func misses(w *oracle.World, e *oracle.Interface, d flow.Direction, p flow.Packet, path oracle.Path) (out []policy.Miss) {
	admitted := w.Allowed(e, d, p, path)
	admits := func(r oracle.Rule) bool {
		alone, one := *w, *e
		alone.Groups = maps.Clone(w.Groups)
		alone.Groups["the rule alone"] = &oracle.Group{Rules: []oracle.Rule{r}}
		one.Groups = []string{"the rule alone"}
		return len(alone.Allowed(&one, d, p, path)) > 0
	}
	anyPeer := oracle.Peer{CIDR: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	if p.Family == flow.IPv6 {
		anyPeer.CIDR = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	numbered := func(protocol int) bool { return protocol == int(flow.ProtoTCP) || protocol == int(flow.ProtoUDP) }
	for _, name := range e.Groups {
		for _, r := range w.Groups[name].Rules {
			if r.Direction != d || slices.Contains(admitted, r.ID) {
				continue
			}
			from, to := -1, -1 // everything, of ICMP
			if numbered(int(p.Protocol)) {
				from, to = 0, 65535
			}
			peer, port, protocol := r, r, r
			peer.Peer = anyPeer
			port.From, port.To = from, to
			if protocol.Protocol = int(p.Protocol); r.Protocol != int(p.Protocol) && !(numbered(r.Protocol) && numbered(int(p.Protocol))) {
				protocol.From, protocol.To = from, to
			}
			for field, wider := range []oracle.Rule{policy.FieldProtocol: protocol, policy.FieldPort: port, policy.FieldPeer: peer} {
				if admits(wider) {
					out = append(out, policy.Miss{Rule: r.ID, Field: policy.Field(field)})
				}
			}
		}
	}
	return out
}
