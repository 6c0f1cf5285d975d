// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/flow"
)

// Match returns the rule that admits a packet: one in direction dir, of the
// given protocol and key port (see Key), exchanged with the remote address,
// which belongs to groups. It reads the compiled tables as the datapath does.
func (p *Policy) Match(
	dir flow.Direction, remote netip.Addr, groups []string, proto uint8, port uint16,
) (ruleID string, ok bool) {
	t := &p.Tables[dir]
	key, f := Key(proto, port), family(remote)
	rule := t.row(remote).At(key).Rule
	rule = min(rule, t.GroupRow(f, groups).At(key).Rule)
	if rule == NoRule {
		return "", false
	}
	return t.Rules[rule], true
}

// row returns the row of the longest prefix around the address.
func (t *Table) row(remote netip.Addr) Row {
	f := family(remote)
	for _, bits := range t.lengths[f] {
		prefix, err := remote.WithZone("").Prefix(bits)
		if err != nil {
			return nil
		}
		at, found := slices.BinarySearchFunc(t.Routes[f], prefix, func(r Route, p netip.Prefix) int { return comparePrefixes(r.Prefix, p) })
		if found {
			return t.Rows[t.Routes[f][at].Row]
		}
	}
	return nil
}

// Untracked reports whether a packet in direction dir passes without state
// (section 2.1): any-CIDR rules admit it and its reverse, and one of them is an
// all-ports rule. src and dst are the packet's own ports.
func (p *Policy) Untracked(dir flow.Direction, f flow.Family, proto uint8, src, dst uint16) bool {
	if proto != protoTCP && proto != protoUDP {
		return false
	}
	forth := p.Tables[dir].Any[f].At(Key(proto, dst))
	back := p.Tables[dir.Opposite()].Any[f].At(Key(proto, src))
	return forth.Rule != NoRule && back.Rule != NoRule &&
		(forth.Flags|back.Flags)&FlagAllPorts != 0
}
