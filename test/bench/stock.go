// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

const (
	vpcGroups   = 100 // groups of the first VPC, whatever the number of all
	teamGroups  = 10  // groups that have a tag in common
	commitRules = 20000
)

// stock is what the store holds when the API is measured.
type stock struct {
	vpcs       []string
	subnet     *secgroup.Subnet
	groups     []string
	interfaces int
	rules      int // of each group
}

// commit puts rows into the store, as other operations of the installation would
// have. put is called with n from 0 on until all are in; each is a commit's worth.
func (i *installation) commit(ctx context.Context, n, each int, put func(tx *model.Tx, n int)) error {
	for at := 0; at < n; at += each {
		tx := i.model.Begin()
		tx.Guard(model.ScopeID(i.caller.Scope))
		for k := at; k < min(n, at+each); k++ {
			put(tx, k)
		}
		guards, writes, err := tx.Commit()
		if err != nil {
			return err
		}
		revision, err := i.store.Commit(ctx, guards, writes)
		if err != nil {
			return err
		}
		if _, err := i.model.Await(ctx, revision); err != nil {
			return err
		}
	}
	return nil
}

// fill brings the store to this many VPCs, groups with this many rules each and
// interfaces. What measurements have added to it goes.
func (i *installation) fill(ctx context.Context, l *stock, vpcs, groups, rules, interfaces int) error {
	born := time.Now().UTC().Round(0)
	if l.subnet == nil {
		for n := range i.control.Read().Subnets.All() {
			l.subnet = n
			break
		}
	}
	more := vpcs - len(l.vpcs)
	err := i.commit(ctx, more, 100, func(tx *model.Tx, n int) {
		like := *tx.VPCs.Get(l.subnet.VPC)
		like.ID, like.Default, like.Created = fmt.Sprintf("vpc-%017x", n), false, born.Add(time.Duration(n))
		like.CIDRs = []secgroup.CIDRAssociation{{ID: fmt.Sprintf("vpc-cidr-assoc-%017x", n), Prefix: netip.MustParsePrefix("10.0.0.0/16")}}
		tx.VPCs.Put(&like)
		l.vpcs = append(l.vpcs, like.ID)
	})
	if err != nil {
		return err
	}
	var extra []string
	known := map[string]bool{}
	for _, id := range l.groups {
		known[id] = true
	}
	for g := range i.control.Read().Groups.All() {
		if !known[g.ID] && !g.Default() {
			extra = append(extra, g.ID)
		}
	}
	if err := i.commit(ctx, len(extra), 1000, func(tx *model.Tx, n int) { tx.Groups.Delete(extra[n]) }); err != nil {
		return err
	}
	l.rules = rules
	err = i.commit(ctx, groups, commitRules/max(rules, 10), func(tx *model.Tx, n int) {
		g := i.filledGroup(l, n, born)
		if was := tx.Groups.Get(g.ID); was != nil {
			g.Created = was.Created
		} else {
			l.groups = append(l.groups, g.ID)
		}
		tx.Groups.Put(g)
	})
	if err != nil {
		return err
	}
	first := l.interfaces
	err = i.commit(ctx, interfaces-first, 2000, func(tx *model.Tx, k int) {
		n := first + k
		tx.Interfaces.Put(&secgroup.Interface{
			Scope: i.caller.Scope, ID: fmt.Sprintf("eni-%017x", n), VPC: l.subnet.VPC, Subnet: l.subnet.ID,
			MAC: fmt.Sprintf("02:00:01:%02x:%02x:%02x", n>>16, n>>8&255, n&255), Addresses: []netip.Addr{member(n)},
			Groups: []string{l.groups[n%len(l.groups)]}, SourceDestCheck: true, Created: born.Add(time.Duration(n)),
		})
	})
	l.interfaces = max(first, interfaces)
	return err
}

// filledGroup is the n-th group: its rules name blocks of its own in a few ranges
// of ports, the last is what groups are born with.
func (i *installation) filledGroup(l *stock, n int, born time.Time) *secgroup.Group {
	g := &secgroup.Group{
		Scope: i.caller.Scope, ID: fmt.Sprintf("sg-%017x", n), Name: fmt.Sprint("filled-", n), Description: "bench",
		Tags: secgroup.Tags{{Key: "team", Value: strconv.Itoa(n / teamGroups)}}, Created: born.Add(time.Duration(n)),
	}
	if g.VPC = l.vpcs[0]; n >= vpcGroups && len(l.vpcs) > 1 {
		g.VPC = l.vpcs[1+n%(len(l.vpcs)-1)]
	}
	for k := range l.rules - 1 {
		g.Rules = append(g.Rules, secgroup.Rule{
			ID: fmt.Sprintf("sgr-%08x%09x", n, k), Created: g.Created.Add(time.Duration(k)),
			RuleKey: secgroup.RuleKey{Protocol: secgroup.TCP, From: int32(1000 + k%6), To: int32(1000 + k%6), Peer: secgroup.Peer{Prefix: ownBlock(n, k)}},
		})
	}
	g.Rules = slices.Concat(g.Rules, []secgroup.Rule{{
		ID: fmt.Sprintf("sgr-%08x%09x", n, 1<<32), Created: g.Created,
		RuleKey: secgroup.RuleKey{Egress: true, Protocol: secgroup.AllProtocols, From: -1, To: -1, Peer: secgroup.Peer{Prefix: netip.MustParsePrefix("0.0.0.0/0")}},
	}})
	return g
}

// ownBlock is a block that no rule but the k-th of the n-th group names.
func ownBlock(n, k int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{100 + byte(n>>16), byte(n >> 8), byte(n), byte(k % 64 * 4)}), 30)
}
