// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"testing"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestAnAllowanceIsTheTypesOrTheOperators: section 3.8 of
// docs/spec/packet-semantics.md. What an operator sets for one account in one
// Region holds for the instances there and for no others.
func TestAnAllowanceIsTheTypesOrTheOperators(t *testing.T) {
	w := newWorld(t)
	here := secgroup.Scope{Account: "111122223333", Region: "us-east-1"}
	there := secgroup.Scope{Account: "111122223333", Region: "eu-west-1"}
	w.change(func(tx *model.Tx) {
		for id, on := range map[string]secgroup.Instance{"1": {Scope: here, Type: "t3.nano"}, "2": {Scope: there, Type: "t3.small"}} {
			on.ID, on.State, on.Host = "i-"+id, secgroup.Running, "here"
			tx.Instances.Put(&on)
			tx.Interfaces.Put(&secgroup.Interface{
				ID: "eni-" + id, VPC: "vpc-0", Subnet: "subnet-0", Attachment: &secgroup.Attachment{Instance: on.ID},
			})
		}
	})
	h := NewHost("here")
	expect := func(d *feed.Delta, eni string, want int) {
		t.Helper()
		if now := d.Interfaces[eni]; now == nil || now.TrackedFlows != want {
			t.Errorf("%s is told as %+v, want an allowance of %d", eni, now, want)
		}
	}
	first := h.Update(w.model.Snapshot(), nil, true)
	expect(first, "eni-1", 19_239)
	expect(first, "eni-2", 38_478)

	quota := map[model.Ref]struct{}{{Kind: model.Quotas, ID: model.ScopeID(here)}: {}}
	w.change(func(tx *model.Tx) {
		tx.Quotas.Put(&secgroup.Quotas{Scope: here, Values: map[string]int{secgroup.TrackedFlowsQuota: 7}})
	})
	set := h.Update(w.model.Snapshot(), quota, false)
	expect(set, "eni-1", 7)
	if len(set.Interfaces) != 1 {
		t.Errorf("%d interfaces are told, the other one is in another Region", len(set.Interfaces))
	}
	w.change(func(tx *model.Tx) { tx.Quotas.Delete(model.ScopeID(here)) })
	expect(h.Update(w.model.Snapshot(), quota, false), "eni-1", 19_239)
}
