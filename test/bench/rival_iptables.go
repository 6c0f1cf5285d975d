// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// iptables is the command that loads rules into the kernel's own tables: the
// faster ones of the two that Debian has, because a rule is no expression there.
const iptables = "iptables-legacy-restore"

const memberSet = "members"

// matches returns what a rule of one end looks for, as both layouts write it. An
// address is asked of the remote end: the source for what comes in.
func (c contender) matches(end int) (fillers, admitting []string) {
	remote := "-d"
	if end == server {
		remote = "-s"
	}
	for i := range c.rules {
		prefix, port := filler(i)
		fillers = append(fillers, fmt.Sprintf("%s %s -p tcp -m tcp --dport %d", remote, prefix, port))
	}
	peer := fmt.Sprintf("%s %s", remote, endBlocks[1-end])
	if c.members > 0 {
		side := map[string]string{"-s": "src", "-d": "dst"}[remote]
		peer = fmt.Sprintf("-m set --match-set %s %s", memberSet, side)
	}
	for _, a := range admitted {
		admitting = append(admitting, fmt.Sprintf("%s -p %s -m %s --dport %d:%d", peer, a.word, a.word, a.from, a.to))
	}
	return fillers, admitting
}

// ipsetText fills the set of members.
func (c contender) ipsetText() string {
	var b lines
	b.add("create %s hash:net family inet maxelem 1048576", memberSet)
	for end := range endBlocks {
		b.add("add %s %s", memberSet, addressOf(end))
	}
	for i := range c.members {
		b.add("add %s %s", memberSet, member(i))
	}
	return b.String()
}

// neutronPort is what of a device's name is in the names of its chains.
func neutronPort(device string) string { return device[len(device)-11:] }

// openstackRules returns the layout of Neutron's iptables driver: a chain per
// port and direction, connection state, one rule after the other, what comes
// from another port's address or MAC refused; a zone of connection tracking.
// Neutron sees ports on a bridge (physdev), here they are the router's own.
func (c contender) openstackRules(device [2]string) string {
	port := func(end int) string { return neutronPort(device[end]) }
	var b lines
	b.add("*raw\n:neutron-PREROUTING - [0:0]\n-A PREROUTING -j neutron-PREROUTING")
	for _, d := range device {
		b.add("-A neutron-PREROUTING -i %s -j CT --zone 1", d)
	}
	b.add("COMMIT\n*filter")
	for _, chain := range []string{"neutron-filter-top", "neutron-local", "neutron-FORWARD", "neutron-sg-chain", "neutron-sg-fallback"} {
		b.add(":%s - [0:0]", chain)
	}
	for end := range device {
		for _, kind := range "ios" {
			b.add(":neutron-%c%s - [0:0]", kind, port(end))
		}
	}
	b.add("-A FORWARD -j neutron-filter-top\n-A FORWARD -j neutron-FORWARD\n-A neutron-filter-top -j neutron-local")
	for end, d := range device {
		b.add("-A neutron-FORWARD -o %s -j neutron-sg-chain\n-A neutron-FORWARD -i %s -j neutron-sg-chain", d, d)
		b.add("-A neutron-sg-chain -o %s -j neutron-i%s\n-A neutron-sg-chain -i %s -j neutron-o%s", d, port(end), d, port(end))
	}
	b.add("-A neutron-sg-chain -j ACCEPT\n-A neutron-sg-fallback -j DROP")
	for end := range device {
		in, out, spoof := "neutron-i"+port(end), "neutron-o"+port(end), "neutron-s"+port(end)
		b.add("-A %s -s %s/32 -m mac --mac-source %s -j RETURN\n-A %s -j DROP", spoof, addressOf(end), mac(end), spoof)
		b.add("-A %s -s 0.0.0.0/32 -d 255.255.255.255/32 -p udp -m udp --sport 68 --dport 67 -j RETURN\n-A %s -j %s", out, out, spoof)
		b.add("-A %s -p udp -m udp --sport 68 --dport 67 -j RETURN\n-A %s -p udp -m udp --sport 67 --dport 68 -j DROP", out, out)
		for _, chain := range []string{in, out} {
			b.add("-A %s -m state --state RELATED,ESTABLISHED -j RETURN", chain)
		}
		own := out
		if end == server {
			own = in
		}
		fillers, admitting := c.matches(end)
		for _, match := range append(fillers, admitting...) {
			b.add("-A %s %s -j RETURN", own, match)
		}
		for _, chain := range []string{in, out} {
			b.add("-A %s -m state --state INVALID -j DROP\n-A %s -j neutron-sg-fallback", chain, chain)
		}
	}
	b.add("-A FORWARD -j DROP\nCOMMIT")
	return b.String()
}

// calicoRules returns the layout of Calico's Felix: chains found by device name,
// one per workload and direction that accepts known connections and asks its
// policy, whose rules mark what they admit; reverse path and mark checks before.
func (c contender) calicoRules(device [2]string) string {
	const accept = calicoAccept
	var b lines
	b.add("*raw\n:cali-PREROUTING - [0:0]\n:cali-rpf-skip - [0:0]\n-A PREROUTING -j cali-PREROUTING")
	b.add("-A cali-PREROUTING -j MARK --set-xmark 0x0/0xf0000\n-A cali-PREROUTING -i hw+ -j MARK --set-xmark 0x40000/0x40000")
	b.add("-A cali-PREROUTING -m mark --mark 0x40000/0x40000 -j cali-rpf-skip")
	b.add("-A cali-PREROUTING -m mark --mark 0x40000/0x40000 -m rpfilter --validmark --invert -j DROP")
	b.add("-A cali-PREROUTING -m mark --mark %s -j ACCEPT\nCOMMIT", accept)
	b.add("*mangle\n:cali-PREROUTING - [0:0]\n-A PREROUTING -j cali-PREROUTING")
	b.add("-A cali-PREROUTING -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A cali-PREROUTING -m mark --mark %s -j ACCEPT\nCOMMIT", accept)
	b.add("*filter")
	for _, chain := range []string{"cali-FORWARD", "cali-from-hep-forward", "cali-to-hep-forward", "cali-from-wl-dispatch", "cali-to-wl-dispatch", "cali-cidr-block"} {
		b.add(":%s - [0:0]", chain)
	}
	for _, d := range device {
		for _, kind := range []string{"fw", "tw", "po", "pi"} {
			b.add(":cali-%s-%s - [0:0]", kind, d)
		}
	}
	b.add("-A FORWARD -j cali-FORWARD\n-A FORWARD -m mark --mark %s -j ACCEPT\n-A FORWARD -j DROP", accept)
	b.add("-A cali-FORWARD -j MARK --set-xmark 0x0/0xe0000\n-A cali-FORWARD -m mark --mark 0x0/0x10000 -j cali-from-hep-forward")
	b.add("-A cali-FORWARD -i hw+ -j cali-from-wl-dispatch\n-A cali-FORWARD -o hw+ -j cali-to-wl-dispatch")
	b.add("-A cali-FORWARD -j cali-to-hep-forward\n-A cali-FORWARD -j cali-cidr-block")
	for _, d := range device {
		b.add("-A cali-from-wl-dispatch -i %s -g cali-fw-%s\n-A cali-to-wl-dispatch -o %s -g cali-tw-%s", d, d, d, d)
	}
	b.add("-A cali-from-wl-dispatch -j DROP\n-A cali-to-wl-dispatch -j DROP")
	for end, d := range device {
		for _, side := range [][2]string{{"fw", "po"}, {"tw", "pi"}} {
			workload, policy := side[0], side[1]
			chain, asked := "cali-"+workload+"-"+d, "cali-"+policy+"-"+d
			b.add("-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A %s -m conntrack --ctstate INVALID -j DROP", chain, chain)
			b.add("-A %s -j MARK --set-xmark 0x0/0x10000", chain)
			if workload == "fw" {
				b.add("-A %s -p udp -m multiport --dports 4789 -j DROP\n-A %s -p 4 -j DROP", chain, chain)
			}
			b.add("-A %s -j MARK --set-xmark 0x0/0x20000\n-A %s -m mark --mark 0x0/0x20000 -j %s", chain, chain, asked)
			b.add("-A %s -m mark --mark %s -j RETURN\n-A %s -m mark --mark 0x0/0x20000 -j DROP\n-A %s -j DROP", chain, accept, chain, chain)
			if (workload == "fw") == (end == client) {
				b.WriteString(c.calicoPolicy(end, asked))
			}
		}
	}
	b.add("COMMIT")
	return b.String()
}

const calicoAccept = "0x10000/0x10000" // the mark of what a policy admits

// calicoPolicy returns the rules of one end.
func (c contender) calicoPolicy(end int, chain string) string {
	var b lines
	fillers, admitting := c.matches(end)
	for _, match := range append(fillers, admitting...) {
		b.add("-A %s %s -j MARK --set-xmark %s\n-A %s -m mark --mark %s -j RETURN", chain, match, calicoAccept, chain, calicoAccept)
	}
	return b.String()
}

// feedTo runs a command with a text on its standard input.
func feedTo(text, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%.600s", name, err, out)
	}
	return nil
}

// filter puts a rival's rules in force; the thread is in the router's namespace.
func (l *lab) filter() error {
	if l.judge == nftables {
		return feedTo(l.nftRuleset(l.device), "nft", "-f", "-")
	}
	if l.members > 0 {
		if err := feedTo(l.ipsetText(), "ipset", "restore"); err != nil {
			return err
		}
	}
	rules := l.openstackRules
	if l.judge == calico {
		rules = l.calicoRules
	}
	return feedTo(rules(l.device), iptables)
}
