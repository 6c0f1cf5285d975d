// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// updateRows measures how long rivals take to put one rule or one member in
// force, by the command that the system of each calls: the kernel judges by it
// when the command returns. What that is for us, from the API call on, is a part
// of its own.
func (r *run) updateRows(ctx context.Context) (rows []row, err error) {
	const section = "Updates of others: the command that puts one rule or member in force, p50 as ratio"
	nothing, err := r.repeated(func(int) error { return exec.Command("true").Run() })
	if err != nil {
		return nil, err
	}
	rows = append(rows, nothing.row(section, "a command that does nothing", 0))
	members := r.options.members[len(r.options.members)-1]
	for _, j := range []judge{nftables, openstack, calico} {
		if missing(j) != "" {
			continue
		}
		for _, c := range []contender{
			{rules: r.options.rules[len(r.options.rules)-1]},
			{rules: 10, members: members},
		} {
			c.name, c.judge, c.small = judgeNames[j], j, true
			name := fmt.Sprintf("%s: a rule, R=%d", c.name, c.rules)
			if c.members > 0 {
				name = fmt.Sprintf("%s: a member, M=%d", c.name, c.members)
			}
			r.progress("updates, %s", name)
			took, err := r.updates(ctx, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			rows = append(rows, took.row(section, name, percentileOf(nothing, 50)))
		}
	}
	return rows, nil
}

// durations are sorted, in ns.
type durations []int64

func percentileOf(d durations, p int) float64 { return float64(percentile(d, p)) }

func (d durations) row(section, name string, of float64) row {
	r := row{Section: section, Name: name, Value: percentileOf(d, 50),
		Figures: fmt.Sprintf("p50 %s, p99 %s", nanos(percentileOf(d, 50)), nanos(percentileOf(d, 99)))}
	if of > 0 {
		r.Ratio = r.Value / of
	}
	return r
}

func (r *run) repeated(do func(n int) error) (took durations, err error) {
	for n := range r.options.changes {
		begun := time.Now()
		if err := do(n); err != nil {
			return nil, err
		}
		took = append(took, int64(time.Since(begun)))
	}
	slices.Sort(took)
	return took, nil
}

// updates adds something to a rival's rules and takes it away again and again.
func (r *run) updates(ctx context.Context, c contender) (took durations, err error) {
	l, err := r.build(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	update := l.updateRule
	if c.members > 0 {
		update = l.updateMember
	}
	err = l.router.do(func() (err error) {
		took, err = r.repeated(func(n int) error { return update(n%2 == 0) })
		return err
	})
	return took, err
}

// updateMember makes an address a member, or takes it out.
func (l *lab) updateMember(add bool) error {
	const stranger = "198.51.100.7"
	word := map[bool]string{true: "add", false: "del"}[add]
	if l.judge == nftables {
		word = map[bool]string{true: "add", false: "delete"}[add]
		return feedTo(fmt.Sprintf("%s element ip firewall %s { %s }\n", word, memberSet, stranger), "nft", "-f", "-")
	}
	return feedTo(fmt.Sprintf("%s %s %s\n", word, memberSet, stranger), "ipset", "restore")
}

// updateRule adds a rule to the server's, or takes it away: an element of a set;
// a line put among those that were read back, as Neutron does; the whole chain
// written anew, as Felix does.
func (l *lab) updateRule(add bool) error {
	switch l.judge {
	case nftables:
		word := map[bool]string{true: "add", false: "delete"}[add]
		return feedTo(word+" element ip firewall server_in { 198.51.100.0/24 . tcp . 443 }\n", "nft", "-f", "-")
	case openstack:
		saved, err := exec.Command(strings.TrimSuffix(iptables, "restore") + "save").Output()
		if err != nil {
			return fmt.Errorf("read the rules back: %w", err)
		}
		chain := "neutron-i" + neutronPort(l.device[server])
		if !strings.Contains(string(saved), ":"+chain) {
			return fmt.Errorf("chain %s is missing", chain)
		}
		line := "-D " + chain
		if add {
			line = "-I " + chain + " 2"
		}
		return feedTo("*filter\n"+line+" -s 198.51.100.0/24 -p tcp -m tcp --dport 443 -j RETURN\nCOMMIT\n", iptables, "--noflush")
	}
	chain, own := "cali-pi-"+l.device[server], l.contender
	if add {
		own.rules++
	}
	return feedTo("*filter\n:"+chain+" - [0:0]\n"+own.calicoPolicy(server, chain)+"COMMIT\n", iptables, "--noflush")
}
