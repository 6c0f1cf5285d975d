// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// judge is what stands between the two ends.
type judge int

const (
	nobody    judge = iota // plain forwarding by the kernel, no connection tracking
	nftables               // the same with a ruleset on the forward hook
	openstack              // the same with iptables and ipset as Neutron lays them out
	calico                 // the same as Calico's Felix lays them out
	ours                   // the datapath of this tree, which takes packets to the other end
	attached               // the same at devices of somebody else: it judges, the kernel forwards
)

var judgeNames = map[judge]string{
	nftables: "nftables", openstack: "OpenStack", calico: "Calico", ours: "hedgeward", attached: "hedgeward, forwarding",
}

// contender is one way to let the same two ends talk.
type contender struct {
	name    string
	judge   judge
	rules   int  // per direction and end that match nothing here, beside those that do
	members int  // of the groups by which the ends admit each other; 0: by address block
	open    bool // our datapath: everything both ways, so flows are not tracked
	small   bool // ours: no traffic, only program runs
}

// tools are the commands that contenders are put in force with, and the Debian
// package that has each.
var tools = map[judge][][2]string{
	nftables:  {{"nft", "nftables"}},
	openstack: {{iptables, "iptables"}, {"ipset", "ipset"}},
	calico:    {{iptables, "iptables"}, {"ipset", "ipset"}},
}

// missing returns the package that a contender needs and this machine lacks, ""
// for none.
func missing(j judge) string {
	for _, tool := range tools[j] {
		if _, err := exec.LookPath(tool[0]); err != nil {
			return tool[1]
		}
	}
	return ""
}

// baseline is what every ratio of the traffic refers to.
const baseline = 0

// contenders returns who takes part. The first is the baseline, the second its
// copy, which shows the noise.
func contenders(o options) []contender {
	all := []contender{
		{name: "plain forwarding"},
		{name: "plain forwarding (A/A)"},
	}
	for _, j := range []judge{nftables, openstack, calico} {
		if missing(j) != "" || !strings.Contains(o.against, judgeNames[j]) {
			continue
		}
		for _, r := range o.rules {
			all = append(all, contender{name: fmt.Sprintf("%s, R=%d", judgeNames[j], r), judge: j, rules: r})
		}
		members := o.members
		if !o.full && len(members) > 1 {
			members = members[len(members)-1:] // sets are hashes: the largest shows what size costs
		}
		for _, m := range members {
			all = append(all, contender{name: fmt.Sprintf("%s, R=10, M=%d", judgeNames[j], m), judge: j, rules: 10, members: m})
		}
	}
	if !strings.Contains(o.against, judgeNames[ours]) {
		return all
	}
	for _, j := range []judge{ours, attached} {
		name := judgeNames[j]
		for _, r := range o.rules {
			all = append(all, contender{name: fmt.Sprintf("%s, R=%d", name, r), judge: j, rules: r})
		}
		for _, m := range o.members {
			all = append(all, contender{name: fmt.Sprintf("%s, R=10, M=%d", name, m), judge: j, rules: 10, members: m})
		}
		all = append(all, contender{name: name + ", untracked", judge: j, open: true})
	}
	return all
}

// Where the two ends of a lab are.
var (
	vpcBlock  = netip.MustParsePrefix("10.66.0.0/16")
	endBlocks = [2]netip.Prefix{netip.MustParsePrefix("10.66.1.0/24"), netip.MustParsePrefix("10.66.2.0/24")}
)

const (
	client = iota
	server
)

func routerOf(end int) netip.Addr  { return endBlocks[end].Addr().Next() }
func addressOf(end int) netip.Addr { return netip.AddrFrom4([4]byte{10, 66, byte(end + 1), 10}) }

// blackhole is an address in the server's block at which plain forwarding drops.
var blackhole = netip.MustParseAddr("10.66.2.66")

// elsewhere is an address in the client's block that no interface of the host has: what
// its packets meet is one gate. Those of the client itself do not come that way.
var elsewhere = netip.MustParseAddr("10.66.1.77")

// filler returns the i-th of the rules that match nothing here.
func filler(i int) (prefix netip.Prefix, port int) {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i>>8), byte(i), 0}), 24), 1000 + i
}

// admitted are the protocols and ports that the measured traffic needs.
var admitted = []struct {
	protocol int
	word     string
	from, to int
}{
	{6, "tcp", requestPort, bulkPort},
	{17, "udp", packetPort, packetPort},
	{17, "udp", firstNewPort, lastNewPort},
}

const memberGroup = "sg-member" // the group of both ends, where groups admit

// source returns the rules of one end: the client's egress and the server's
// ingress admit the traffic; the other direction of each admits none of it.
func (c contender) source(end int) policy.Source {
	var src policy.Source
	if c.open {
		all := policy.Rule{ID: "sgr-open", Protocol: policy.All, From: policy.All, To: policy.All, Peer: policy.Peer{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}}
		return policy.Source{{all}, {all}}
	}
	for dir := range src {
		for i := range c.rules {
			prefix, port := filler(i)
			src[dir] = append(src[dir], policy.Rule{ID: fmt.Sprint("sgr-", i), Protocol: 6, From: port, To: port, Peer: policy.Peer{Prefix: prefix}})
		}
	}
	dir := flow.Egress
	if end == server {
		dir = flow.Ingress
	}
	peer := policy.Peer{Prefix: endBlocks[1-end]}
	if c.members > 0 {
		peer = policy.Peer{Group: memberGroup}
	}
	for i, a := range admitted {
		src[dir] = append(src[dir], policy.Rule{ID: fmt.Sprint("sgr-admit-", i), Protocol: a.protocol, From: a.from, To: a.to, Peer: peer})
	}
	return src
}

// member returns the address of the i-th member that is neither end.
func member(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(128 + i>>16), byte(i >> 8), byte(i)})
}
