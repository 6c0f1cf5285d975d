// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// testNow is when the clock of newNetworks begins.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// networks is a Service on which alice makes networks of her own, under a clock
// that the test holds.
type networks struct {
	*Service
	Caller
	t     *testing.T
	clock *clock.Fake
}

// newNetworks returns networks on a new Service. Instances can be made from the
// image ami-netns.
func newNetworks(t *testing.T, cfg Config) *networks {
	t.Helper()
	f := &networks{t: t, clock: clock.NewFake(testNow), Caller: alice}
	cfg.Now = f.clock.Now
	cfg.Images = []Image{{ID: "ami-netns"}}
	f.Service = newServiceWith(t, cfg)
	return f
}

// network is a VPC with a subnet, put into the store as they are.
type network struct {
	vpc    *secgroup.VPC
	subnet *secgroup.Subnet
}

// network makes a VPC of its own with one subnet in zone a. Blocks are as
// written; ipv6 may be empty.
func (f *networks) network(block, ipv6 string) network {
	f.t.Helper()
	n := network{
		vpc: &secgroup.VPC{
			Scope: f.Scope, ID: newID(secgroup.VPCPrefix), DefaultGroup: newID(secgroup.GroupPrefix), Created: testNow,
			CIDRs: []secgroup.CIDRAssociation{{ID: "vpc-cidr-assoc-1", Prefix: netip.MustParsePrefix(block)}},
		},
	}
	n.subnet = &secgroup.Subnet{
		Scope: f.Scope, ID: newID(secgroup.SubnetPrefix), VPC: n.vpc.ID, Zone: "us-east-1a", ZoneID: "use1-az1",
		CIDR: netip.MustParsePrefix(block), Created: testNow,
	}
	if ipv6 != "" {
		n.subnet.IPv6 = &secgroup.CIDRAssociation{ID: "subnet-cidr-assoc-1", Prefix: netip.MustParsePrefix(ipv6)}
	}
	f.edit(func(tx *model.Tx) {
		tx.VPCs.Put(n.vpc)
		tx.Subnets.Put(n.subnet)
		tx.Groups.Put(&secgroup.Group{Scope: f.Scope, ID: n.vpc.DefaultGroup, VPC: n.vpc.ID, Name: "default", Created: testNow})
	})
	return n
}

func (f *networks) edit(do func(*model.Tx)) {
	f.t.Helper()
	if err := f.write(f.t.Context(), f.Scope, func(tx *model.Tx) error { do(tx); return nil }); err != nil {
		f.t.Fatal(err)
	}
}

// groups makes n groups in the VPC and returns their ids.
func (f *networks) groups(vpc string, n int) []string {
	f.t.Helper()
	ids := make([]string, n)
	f.edit(func(tx *model.Tx) {
		for i := range ids {
			ids[i] = newID(secgroup.GroupPrefix)
			tx.Groups.Put(&secgroup.Group{Scope: f.Scope, ID: ids[i], VPC: vpc, Name: fmt.Sprint("g", i, ids[i]), Created: testNow})
		}
	})
	return ids
}

func (f *networks) create(spec InterfaceSpec) *secgroup.Interface {
	f.t.Helper()
	i, err := f.CreateNetworkInterface(f.t.Context(), f.Caller, spec, ClientToken{})
	if err != nil {
		f.t.Fatal(err)
	}
	return i
}
