// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// seen is what of the internet and of other hosts a host has been told at some time.
type seen struct{ routes, public, elastic, prefixes, elsewhere, unrouted bool }

func (s *seen) look(t *told) {
	s.routes = s.routes || len(t.Routes) > 0
	for _, i := range t.Interfaces {
		for _, p := range i.Public {
			s.public = s.public || p.Public.As4()[2] == 1
			s.elastic = s.elastic || p.Public.As4()[2] == 2
		}
	}
	for key, a := range t.Addresses {
		s.prefixes = s.prefixes || key.Bits != 0
		s.elsewhere = s.elsewhere || a.Underlay.IsValid() && !a.Unrouted
		s.unrouted = s.unrouted || a.Unrouted
	}
}

// mutateInternet changes a gateway, a public address or a delegated prefix.
func mutateInternet(rng *rand.Rand, tx *model.Tx) {
	switch rng.IntN(4) {
	case 0: // a gateway attached to one of two VPCs, to none, or gone
		g := &secgroup.InternetGateway{ID: fmt.Sprint("igw-", rng.IntN(2))}
		if vpc := fmt.Sprint("vpc-", 2*rng.IntN(2)); rng.IntN(6) > 0 && tx.Gateway(vpc) == nil {
			g.VPC = vpc
		}
		if rng.IntN(8) == 0 {
			tx.InternetGateways.Delete(g.ID)
			return
		}
		tx.InternetGateways.Put(g)
	case 1: // an Elastic IP address that stands for some interface's address, or none
		n := rng.IntN(3)
		e := &secgroup.ElasticIP{ID: fmt.Sprint("eipalloc-", n), Address: netip.AddrFrom4([4]byte{198, 18, 2, byte(n)})}
		if i := tx.Interfaces.Get(fmt.Sprintf("eni-%d-%d", 2*rng.IntN(2), rng.IntN(5))); i != nil && len(i.Addresses) > 0 {
			e.Association, e.Interface, e.Private = "eipassoc-1", i.ID, i.Addresses[0]
		}
		if rng.IntN(6) == 0 {
			tx.ElasticIPs.Delete(e.ID)
			return
		}
		tx.ElasticIPs.Put(e)
	default: // of an interface
		v, n := 2*rng.IntN(2), rng.IntN(5)
		was := tx.Interfaces.Get(fmt.Sprintf("eni-%d-%d", v, n))
		if was == nil {
			return
		}
		i := *was
		i.Public, i.Prefixes = netip.Addr{}, nil
		if rng.IntN(2) == 0 {
			i.Public = netip.AddrFrom4([4]byte{198, 18, 1, byte(10*v + n)})
		}
		if rng.IntN(2) == 0 {
			i.Prefixes = []netip.Prefix{netip.PrefixFrom(addressIn(v, 0, 64+16*n), 28)}
		}
		tx.Interfaces.Put(&i)
	}
}

// TestRoutesToTheInternet: the blocks of the VPC and ways that are closed cut what
// a wider route leads out (PKT section 1.11).
func TestRoutesToTheInternet(t *testing.T) {
	w := newWorld(t)
	everywhere, closed := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("192.0.2.0/24")
	w.change(func(tx *model.Tx) {
		tx.InternetGateways.Put(&secgroup.InternetGateway{ID: "igw-0", VPC: "vpc-0"})
		tx.RouteTables.Put(&secgroup.RouteTable{ID: "rtb-0-0", VPC: "vpc-0", Routes: []secgroup.Route{
			{Destination: everywhere, Gateway: "igw-0"}, {Destination: closed, Peering: "pcx-gone"},
		}})
		tx.Instances.Put(&secgroup.Instance{ID: "i-1", State: secgroup.Running, Host: "here"})
		tx.Interfaces.Put(&secgroup.Interface{
			ID: "eni-1", VPC: "vpc-0", Subnet: "subnet-0", Addresses: []netip.Addr{addressIn(0, 0, 10)}, Public: netip.MustParseAddr("198.18.0.9"),
			Attachment: &secgroup.Attachment{Instance: "i-1"},
		})
	})
	h := NewHost("here")
	d := h.Update(w.model.Snapshot(), nil, true)
	want := []feed.Route{{Prefix: everywhere, Internet: true}, {Prefix: netip.MustParsePrefix("10.0.0.0/16")}, {Prefix: closed}}
	if got := d.Routes["vpc-0"]; got == nil || !slices.Equal(got.Routes, want) {
		t.Errorf("told %+v, want %v", got, want)
	}
	if i := d.Interfaces["eni-1"]; !i.Internet || len(i.Public) != 1 || i.Public[0].Private != addressIn(0, 0, 10) {
		t.Errorf("told %+v", i)
	}
	w.change(func(tx *model.Tx) { tx.InternetGateways.Put(&secgroup.InternetGateway{ID: "igw-0"}) })
	d = h.Update(w.model.Snapshot(), map[model.Ref]struct{}{{Kind: model.InternetGateways, ID: "igw-0"}: {}}, false)
	if r, told := d.Routes["vpc-0"]; !told || r != nil || len(d.Interfaces["eni-1"].Public) != 0 {
		t.Errorf("after the gateway was detached told %+v and %+v", d.Routes, d.Interfaces["eni-1"])
	}
}
