// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// mutateFacts changes something that instances are told of themselves or their VPC.
func mutateFacts(rng *rand.Rand, tx *model.Tx) {
	v := rng.IntN(vpcs)
	vpc, door := fmt.Sprint("vpc-", v), fmt.Sprint("vpce-", v)
	behind := fmt.Sprint("i-door-", v)
	switch rng.IntN(5) {
	case 0:
		next := *tx.VPCs.Get(vpc)
		next.DNSSupport = !next.DNSSupport
		tx.VPCs.Put(&next)
	case 1:
		next := *tx.Subnets.Get(fmt.Sprint("subnet-", v))
		next.Zone = fmt.Sprint("zone-", rng.IntN(3))
		tx.Subnets.Put(&next)
	case 2:
		tx.VPCEndpoints.Put(&secgroup.VPCEndpoint{ID: door, VPC: vpc, Service: secgroup.APIEndpoint})
		tx.Instances.Put(&secgroup.Instance{
			ID: behind, State: secgroup.Running, Host: []string{"here", "there"}[rng.IntN(2)],
			Streaming: &secgroup.Streaming{Kind: secgroup.EndpointKind, Name: door},
		})
		tx.Interfaces.Put(&secgroup.Interface{
			ID: "eni-door-" + vpc, VPC: vpc, Subnet: fmt.Sprint("subnet-", v), Requester: secgroup.EndpointRequester,
			Addresses: []netip.Addr{addressIn(v, 0, 100+rng.IntN(3))}, Attachment: &secgroup.Attachment{Instance: behind},
		})
	case 3: // all of it, or the address alone
		if tx.Interfaces.Delete("eni-door-" + vpc); rng.IntN(2) == 0 {
			tx.Instances.Delete(behind)
			tx.VPCEndpoints.Delete(door)
		}
	default:
		for i := range tx.Instances.By(model.ByHost, "here") {
			next := *i
			next.Options.MetadataTokens = []string{"required", "optional"}[rng.IntN(2)]
			tx.Instances.Put(&next)
			return
		}
	}
}

// informedOf counts the instances that know groups and an endpoint with its address.
func informedOf(t *told) (n int) {
	for _, i := range t.Instances {
		if len(i.Facts.Groups) > 0 && len(i.Facts.Doors) > 0 && len(i.Facts.Doors[0].Addresses) > 0 {
			n++
		}
	}
	return n
}

// TestFactsOfAnInstance: an instance is told what is its own, and nothing of the
// network that the service keeps it in.
func TestFactsOfAnInstance(t *testing.T) {
	w := newWorld(t)
	alice, service := secgroup.Scope{Account: "111122223333", Region: "eu-west-1"}, secgroup.Scope{Account: secgroup.ServiceAccount, Region: "management"}
	what := secgroup.Streaming{Owner: alice, Kind: secgroup.FleetKind, Name: "f"}
	noTokens := false
	w.change(func(tx *model.Tx) {
		v := *tx.VPCs.Get("vpc-0")
		v.DNSSupport = true
		tx.VPCs.Put(&v)
		n := *tx.Subnets.Get("subnet-0")
		n.Zone, n.ZoneID = "eu-west-1a", "euw1-az1"
		tx.Subnets.Put(&n)
		tx.Groups.Put(&secgroup.Group{Scope: alice, ID: "sg-a", Name: "users", VPC: "vpc-0"})
		tx.Groups.Put(&secgroup.Group{Scope: service, ID: "sg-s", Name: "streaming", VPC: "vpc-1"})
		tx.Fleets.Put(&secgroup.Fleet{Scope: alice, Name: "f", Options: secgroup.FleetOptions{NoIMDSv1: &noTokens}})
		tx.Instances.Put(&secgroup.Instance{
			Scope: service, ID: "i-f", Host: "here", State: secgroup.Running, Image: "ami-1", Type: "stream.standard.small", Streaming: &what,
			Tags: secgroup.Tags{{Key: "k", Value: "v"}},
		})
		tx.Interfaces.Put(&secgroup.Interface{
			Scope: alice, ID: "eni-a", VPC: "vpc-0", Subnet: "subnet-0", Groups: []string{"sg-a"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.10")},
			Attachment: &secgroup.Attachment{Instance: "i-f"},
		})
		tx.Interfaces.Put(&secgroup.Interface{
			Scope: service, ID: "eni-s", VPC: "vpc-1", Subnet: "subnet-1", Groups: []string{"sg-s"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.11")},
			Attachment: &secgroup.Attachment{Instance: "i-f", DeviceIndex: 1},
		})
	})
	h := NewHost("here")
	want := feed.Facts{
		Account: alice.Account, Region: alice.Region, Zone: "eu-west-1a", ZoneID: "euw1-az1", Image: "ami-1", Type: "stream.standard.small",
		Metadata: feed.MetadataOpen, Resolver: true, Groups: []feed.GroupName{{ID: "sg-a", Name: "users"}},
	}
	told := func(changed ...model.Ref) feed.Facts {
		t.Helper()
		refs := map[model.Ref]struct{}{}
		for _, r := range changed {
			refs[r] = struct{}{}
		}
		d := h.Update(w.model.Snapshot(), refs, changed == nil)
		if d.Instances["i-f"] == nil {
			t.Fatalf("nothing is told of the instance after %v changed", changed)
		}
		return d.Instances["i-f"].Facts
	}
	got := told()
	want.Started = got.Started
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	noTokens = true
	w.change(func(tx *model.Tx) {
		tx.Fleets.Put(&secgroup.Fleet{Scope: alice, Name: "f", Options: secgroup.FleetOptions{NoIMDSv1: &noTokens}})
	})
	if got := told(model.Ref{Kind: model.Fleets, ID: model.StreamingName(alice, "f")}); got.Metadata != feed.MetadataTokens {
		t.Errorf("metadata of a fleet with DisableIMDSV1 are told %v", got.Metadata)
	}
	w.change(func(tx *model.Tx) {
		in := *tx.Instances.Get("i-f")
		in.Options.MetadataEndpoint, in.Options.MetadataTags = "disabled", "enabled"
		tx.Instances.Put(&in)
	})
	if got := told(model.Ref{Kind: model.Instances, ID: "i-f"}); got.Metadata != feed.MetadataNone || len(got.Tags) != 1 {
		t.Errorf("with metadata disabled and tags enabled: %+v", got)
	}
}
