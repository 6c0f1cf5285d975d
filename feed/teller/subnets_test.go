// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestSubnetsOfTheVPCAreTold: sections 4.1 and 4.3 of docs/spec/packet-semantics.md.
// Routers and broadcast addresses of all subnets of a VPC are nobody's, so a subnet
// that comes or goes is told to the interfaces of its VPC, and to no others if that
// can be known.
func TestSubnetsOfTheVPCAreTold(t *testing.T) {
	w := newWorld(t)
	w.change(func(tx *model.Tx) {
		tx.Instances.Put(&secgroup.Instance{ID: "i-1", State: secgroup.Running, Host: "here"})
		for _, v := range []string{"0", "1"} {
			tx.Interfaces.Put(&secgroup.Interface{
				ID: "eni-" + v, VPC: "vpc-" + v, Subnet: "subnet-" + v, Attachment: &secgroup.Attachment{Instance: "i-1"},
			})
		}
	})
	h := NewHost("here")
	blocks := func(n ...int) (out []netip.Prefix) {
		for _, i := range n {
			out = append(out, netip.PrefixFrom(addressIn(0, i, 0), 24))
		}
		return out
	}
	expect := func(got, want []netip.Prefix) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("subnets %v, want %v", got, want)
		}
	}
	expect(h.Update(w.model.Snapshot(), nil, true).Interfaces["eni-0"].Subnets, blocks(0, 1))
	third := map[model.Ref]struct{}{{Kind: model.Subnets, ID: "subnet-third"}: {}}
	w.change(func(tx *model.Tx) {
		tx.Subnets.Put(&secgroup.Subnet{ID: "subnet-third", VPC: "vpc-0", CIDR: blocks(2)[0]})
	})
	d := h.Update(w.model.Snapshot(), third, false)
	expect(d.Interfaces["eni-0"].Subnets, blocks(0, 1, 2))
	if len(d.Interfaces) != 1 {
		t.Errorf("%d interfaces are told, want the one of the VPC", len(d.Interfaces))
	}
	w.change(func(tx *model.Tx) { tx.Subnets.Delete("subnet-third") })
	expect(h.Update(w.model.Snapshot(), third, false).Interfaces["eni-0"].Subnets, blocks(0, 1))
}
