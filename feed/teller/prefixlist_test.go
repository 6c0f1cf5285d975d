// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestAListTellsTheGroupsThatNameIt: rules carry the newest entries of their own
// list, a changed list is told through the groups in use that name it and no
// other, and a list that is gone admits nothing.
func TestAListTellsTheGroupsThatNameIt(t *testing.T) {
	w := newWorld(t)
	put := func(tx *model.Tx, id string, cidrs ...string) {
		l := &secgroup.PrefixList{ID: id}
		for _, c := range cidrs {
			l.Entries = append(l.Entries, secgroup.PrefixListEntry{Prefix: netip.MustParsePrefix(c)})
		}
		tx.PrefixLists.Put(l)
	}
	group := func(tx *model.Tx, id string, lists ...string) {
		g := &secgroup.Group{ID: id, VPC: "vpc-0"}
		for _, l := range lists {
			g.Rules = append(g.Rules, secgroup.Rule{RuleKey: secgroup.RuleKey{Protocol: secgroup.TCP, Peer: secgroup.Peer{PrefixList: l}}})
		}
		tx.Groups.Put(g)
	}
	w.change(func(tx *model.Tx) {
		put(tx, "pl-1", "10.1.0.0/16")
		put(tx, "pl-2", "10.2.0.0/16", "10.3.0.0/16")
		group(tx, "sg-both", "pl-1", "pl-2", "pl-1")
		group(tx, "sg-two", "pl-2")
		group(tx, "sg-unused", "pl-1")
		tx.Instances.Put(&secgroup.Instance{ID: "i-1", State: secgroup.Running, Host: "here"})
		tx.Interfaces.Put(&secgroup.Interface{
			ID: "eni-1", VPC: "vpc-0", Subnet: "subnet-0", Groups: []string{"sg-both", "sg-two"}, Attachment: &secgroup.Attachment{Instance: "i-1"},
		})
	})
	h := NewHost("here")
	admits := func(d *feed.Delta, group string) string {
		out := ""
		if g := d.Groups[group]; g != nil {
			for _, r := range g.Rules[flow.Ingress] {
				out += fmt.Sprint(r.Peer.Prefixes)
			}
		}
		return out
	}
	expect := func(d *feed.Delta, groups int, group, want string) {
		t.Helper()
		if got := admits(d, group); got != want || len(d.Groups) != groups {
			t.Errorf("%d groups are told, %s admits %s; want %d, %s", len(d.Groups), group, got, groups, want)
		}
	}
	d := h.Update(w.model.Snapshot(), nil, true)
	expect(d, 2, "sg-both", "[10.1.0.0/16][10.2.0.0/16 10.3.0.0/16][10.1.0.0/16]")
	expect(d, 2, "sg-two", "[10.2.0.0/16 10.3.0.0/16]")

	changed := func(f func(*model.Tx)) *feed.Delta {
		w.change(f)
		return h.Update(w.model.Snapshot(), map[model.Ref]struct{}{{Kind: model.PrefixLists, ID: "pl-1"}: {}}, false)
	}
	expect(changed(func(tx *model.Tx) { put(tx, "pl-1", "10.9.0.0/16") }), 1, "sg-both", "[10.9.0.0/16][10.2.0.0/16 10.3.0.0/16][10.9.0.0/16]")
	expect(changed(func(tx *model.Tx) { put(tx, "pl-1", "10.9.0.0/16") }), 0, "sg-both", "")
	expect(changed(func(tx *model.Tx) { tx.PrefixLists.Delete("pl-1") }), 1, "sg-both", "[][10.2.0.0/16 10.3.0.0/16][]")
}
