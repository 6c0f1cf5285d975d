// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hedgeward/hedgeward/feed/teller"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

const (
	largeVPCs  = 50
	eachCommit = 4000 // rows
)

// large is an installation that no machine of this kind could run: rows in a
// store, and what hosts of it are told, worked out for some of them.
type large struct {
	options
	store *store.Store
	model *model.Model
	scope secgroup.Scope
}

// measureLarge reports what rows and hosts of a large installation cost.
func measureLarge(ctx context.Context, o options, t *table) error {
	dir, err := os.MkdirTemp("", "hw-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := &large{options: o, scope: secgroup.Scope{Account: "000000000000", Region: "us-east-1"}}
	if l.store, err = store.Embedded(ctx, filepath.Join(dir, "store")); err != nil {
		return err
	}
	defer l.store.Close()
	log := slog.New(slog.DiscardHandler)
	if l.model, err = model.Open(ctx, l.store, log); err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- l.model.Run(running) }()
	if err := l.fill(ctx); err != nil {
		cancel()
		return err
	}
	cancel()
	<-done
	l.model = nil

	before := heap()
	began := time.Now()
	if l.model, err = model.Open(ctx, l.store, log); err != nil {
		return err
	}
	t.row(fmt.Sprintf("%d interfaces and instances, %d groups", l.interfaces, l.groups), "read from the store in %s, %.0f bytes of the heap for each interface with its instance",
		round(time.Since(began)), (heap()-before)/float64(l.interfaces))
	return l.tell(ctx, t)
}

// tell works out what some hosts are told.
func (l *large) tell(ctx context.Context, t *table) error {
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- l.model.Run(running) }()
	defer func() { cancel(); <-done }()

	before, began := heap(), time.Now()
	tellings := make([]*teller.Telling, l.tellers)
	addresses := 0
	for i := range tellings {
		tellings[i] = teller.Tell(l.model, largeHost(i))
		d, err := tellings[i].Next(ctx)
		if err != nil {
			return err
		}
		addresses += len(d.Addresses)
	}
	each := (heap() - before) / float64(l.tellers)
	t.row(fmt.Sprintf("a host of %d interfaces and %d addresses", l.interfaces/l.largeHosts, addresses/l.tellers),
		"worked out in %s, %.1f MB of the heap; by calculation %d hosts on one server %.1f GB", round(time.Since(began)/time.Duration(l.tellers)), each/1e6, l.largeHosts, each*float64(l.largeHosts)/1e9)

	began = time.Now()
	if err := l.commit(ctx, 1, func(tx *model.Tx, _ int) {
		g := *tx.Groups.Get(groupID(0))
		g.Rules = append(g.Rules[:len(g.Rules):len(g.Rules)], l.rule(1, secgroup.Peer{Prefix: netip.MustParsePrefix("192.0.2.0/24")}))
		tx.Groups.Put(&g)
	}); err != nil {
		return err
	}
	committed := time.Now()
	concerned := 0
	for _, telling := range tellings {
		d, err := telling.Next(ctx)
		if err != nil {
			return err
		}
		if len(d.Groups) > 0 {
			concerned++
		}
	}
	t.row("a rule of one group", "committed in %s; worked out for %d hosts, of which %d are concerned, in %s",
		round(committed.Sub(began)), l.tellers, concerned, round(time.Since(committed)))
	return nil
}

// heap returns the bytes that are in use after a collection.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func largeHost(n int) string { return fmt.Sprintf("host-%d", n) }

func groupID(n int) string { return fmt.Sprintf("sg-%017x", n) }

func vpcID(n int) string { return fmt.Sprintf("vpc-%017x", n) }

// commit puts n rows into the store, many at once.
func (l *large) commit(ctx context.Context, n int, put func(tx *model.Tx, n int)) error {
	for at := 0; at < n; at += eachCommit {
		tx := l.model.Begin()
		tx.Guard(model.ScopeID(l.scope))
		for k := at; k < min(n, at+eachCommit); k++ {
			put(tx, k)
		}
		guards, writes, err := tx.Commit()
		if err != nil {
			return err
		}
		revision, err := l.store.Commit(ctx, guards, writes)
		tx.Finish()
		if err != nil {
			return err
		}
		if _, err := l.model.Await(ctx, revision); err != nil {
			return err
		}
	}
	return nil
}

func (l *large) rule(n int, peer secgroup.Peer) secgroup.Rule {
	return secgroup.Rule{ID: fmt.Sprintf("sgr-%017x", n), RuleKey: secgroup.RuleKey{Protocol: 6, From: 443, To: 443, Peer: peer}, Created: time.Now().UTC().Round(0)}
}

// fill makes VPCs, groups whose rules name themselves and ten blocks, and
// instances with an interface each, those of a group on as many hosts as it has
// members.
func (l *large) fill(ctx context.Context) error {
	born := time.Now().UTC().Round(0)
	err := l.commit(ctx, largeVPCs, func(tx *model.Tx, n int) {
		block := netip.MustParsePrefix("10.0.0.0/15")
		tx.VPCs.Put(&secgroup.VPC{Scope: l.scope, ID: vpcID(n), CIDRs: []secgroup.CIDRAssociation{{Prefix: block}}, DefaultGroup: groupID(n), Created: born})
		tx.Subnets.Put(&secgroup.Subnet{Scope: l.scope, ID: fmt.Sprintf("subnet-%017x", n), VPC: vpcID(n), CIDR: block, Created: born})
	})
	if err != nil {
		return err
	}
	err = l.commit(ctx, l.groups, func(tx *model.Tx, n int) {
		g := &secgroup.Group{Scope: l.scope, ID: groupID(n), VPC: vpcID(n % largeVPCs), Name: fmt.Sprint("group-", n), Created: born}
		g.Rules = append(g.Rules, l.rule(n<<8, secgroup.Peer{Group: g.ID}))
		for i := range 10 {
			g.Rules = append(g.Rules, l.rule(n<<8+i+1, secgroup.Peer{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(n), byte(16 * i)}), 28)}))
		}
		tx.Groups.Put(g)
	})
	if err != nil {
		return err
	}
	return l.commit(ctx, l.interfaces, func(tx *model.Tx, n int) {
		group := n % l.groups
		vpc := group % largeVPCs
		var at [4]byte
		binary.BigEndian.PutUint32(at[:], 10<<24+4+uint32(n/largeVPCs))
		id := fmt.Sprintf("i-%017x", n)
		tx.Instances.Put(&secgroup.Instance{
			Scope: l.scope, ID: id, Image: "ami-netns", Type: "t3.micro", State: secgroup.Running, Host: largeHost((n + 37*(n/l.groups)) % l.largeHosts),
			VPC: vpcID(vpc), Subnet: fmt.Sprintf("subnet-%017x", vpc), Boots: 1, Created: born,
		})
		tx.Interfaces.Put(&secgroup.Interface{
			Scope: l.scope, ID: fmt.Sprintf("eni-%017x", n), VPC: vpcID(vpc), Subnet: fmt.Sprintf("subnet-%017x", vpc),
			MAC: fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", n>>24, n>>16&255, n>>8&255, n&255), Addresses: []netip.Addr{netip.AddrFrom4(at)},
			Groups: []string{groupID(group)}, SourceDestCheck: true, Created: born,
			Attachment: &secgroup.Attachment{ID: fmt.Sprintf("eni-attach-%017x", n), Instance: id, Attached: born},
		})
	})
}
