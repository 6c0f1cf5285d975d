// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/flow"
)

// World is everything that a judgement depends on (section 1.1). It is plain
// data: a test changes it directly, and the next packet is judged by what it
// finds; only addresses change through Reassign. The zero World is empty.
type World struct {
	VPCs        map[string]*VPC
	Groups      map[string]*Group
	PrefixLists map[string][]netip.Prefix // newest version only
	Interfaces  map[string]*Interface
	Links       []Link               // between VPCs
	Instances   map[string]*Instance // what an interface's Instance names

	Switches Switches
}

// VPC is one address space (section 1.7).
type VPC struct {
	Name    string
	CIDRs   []netip.Prefix // the primary IPv4 block first
	Subnets []netip.Prefix // both families

	// MulticastDomain says that its subnets are associated with one (4.3).
	MulticastDomain bool
}

// Group is a security group: allow rules, without order.
type Group struct {
	Name  string
	VPC   string
	Rules []Rule
}

// AllProtocols is protocol -1 of a rule.
const AllProtocols = -1

// Rule is one allow rule (sections 1.1 and 1.4).
type Rule struct {
	ID        string
	Direction flow.Direction
	Protocol  int // AllProtocols or an IANA number
	// Port range for TCP and UDP; type and code for ICMP and ICMPv6, -1 for
	// all; ignored otherwise.
	From, To int
	Peer     Peer
}

// Peer is the far side of a rule. Exactly one field is set.
type Peer struct {
	CIDR       netip.Prefix
	PrefixList string
	Group      string // matches nothing when there is no such group
}

// Interface is an ENI with its entries (sections 1.1 and 3.1).
type Interface struct {
	Name            string
	VPC             string
	Instance        string // whose allowance it uses; none: it has no limit
	MAC             flow.MAC
	Addresses       []netip.Prefix // addr(e): single addresses and delegated prefixes
	Groups          []string       // empty: no snapshot yet, closed (section 3.10)
	SourceDestCheck bool
	Timeouts        Timeouts

	entries  map[key]*entry
	contexts map[fragmentKey]*fragmentContext
	held     []heldFragment

	services, pathMTU, fragments window // rates of 3.8 and 3.4
}

// Timeouts are the settings of section 3.7; zero values mean the defaults.
type Timeouts struct {
	TCPEstablished time.Duration
	UDP            time.Duration
	UDPStream      time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	if t.TCPEstablished == 0 {
		t.TCPEstablished = 432000 * time.Second
	}
	if t.UDP == 0 {
		t.UDP = 30 * time.Second
	}
	if t.UDPStream == 0 {
		t.UDPStream = 180 * time.Second
	}
	return t
}

// owns reports R ∈ addr(e).
func (e *Interface) owns(a netip.Addr) bool {
	return slices.ContainsFunc(e.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Owner returns the interface that owns the address in the VPC, or nil when the
// address is outside (section 1.7: never by address alone).
func (w *World) Owner(vpc string, a netip.Addr) *Interface {
	for _, e := range w.Interfaces {
		if e.VPC == vpc && e.owns(a) {
			return e
		}
	}
	return nil
}

func (w *World) ownerName(vpc string, a netip.Addr) string {
	if e, _ := w.Route(vpc, a); e != nil {
		return e.Name
	}
	return ""
}

// Purge forgets everything about the interface: its instance was stopped, it was
// detached, or the host lost its memory (2.5 and 3.10).
func (e *Interface) Purge() {
	e.entries, e.contexts, e.held = nil, nil, nil
}

// Reassign gives the interface other addresses, none if it is deleted, and purges
// what must not outlive the change (section 2.5): its own entries with an address
// that it lost, and everybody's entries whose remote address changed hands.
func (w *World) Reassign(e *Interface, addresses []netip.Prefix) {
	lost := Interface{Addresses: e.Addresses}
	e.Addresses = addresses
	maps.DeleteFunc(e.entries, func(k key, _ *entry) bool { return lost.owns(k.local) && !e.owns(k.local) })
	if w.Switches.KeepOrphans {
		return
	}
	for _, o := range w.Interfaces {
		maps.DeleteFunc(o.entries, func(k key, c *entry) bool { return w.ownerName(o.VPC, k.remote) != c.remoteOwner })
	}
}
