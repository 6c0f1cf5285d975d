// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testnet"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Numbers of the VPCs of the world between hosts.
const vniRed, vniBlue, vniGreen = 101, 102, 103

// World of two hosts, here and there. The blocks of red and blue are the same; green
// is peered with red.
//
//	         here               there
//	red      web  10.0.0.10     db   10.0.0.20
//	blue     web  10.0.0.10     db   10.0.0.20
//	green                       app  10.1.0.30
//
// Members of a VPC's group web may reach port 5000 of its db and ping it; red's web,
// through the peering, port 5000 of app.
type world struct {
	*installation
	inside map[string]*testnet.NS // by VPC and name: "red/web"
}

// customer owns everything in the world.
var customer = secgroup.Scope{Account: "111122223333", Region: "us-east-1"}

// place is an instance of the world.
type place struct {
	vpc, name, host, addr string
	n                     int
}

var places = []place{
	{"red", "web", "here", "10.0.0.10", 1}, {"red", "db", "there", "10.0.0.20", 2},
	{"blue", "web", "here", "10.0.0.10", 3}, {"blue", "db", "there", "10.0.0.20", 4},
	{"green", "app", "there", "10.1.0.30", 5},
}

func (p place) instance() string { return fmt.Sprintf("i-0000000000%07x", p.n+int(run)) }
func (p place) iface() string    { return fmt.Sprintf("eni-0000000000%07x", p.n+int(run)) }
func (p place) group() string    { return "sg-" + p.vpc + "-" + p.name }
func (p place) addr6() netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fd00:%s::%x", map[string]string{"red": "a", "blue": "a", "green": "b"}[p.vpc], 0x10*p.n))
}

// run tells the instances of this run from those of others on the machine.
var run = time.Now().UnixNano() / 1000 % 0xfffff << 4

func at(key string) place {
	for _, p := range places {
		if p.vpc+"/"+p.name == key {
			return p
		}
	}
	panic("no place " + key)
}

func (p place) row(groups ...string) *secgroup.Interface {
	return &secgroup.Interface{
		Scope: customer, ID: p.iface(), VPC: "vpc-" + p.vpc, Subnet: "subnet-" + p.vpc, MAC: fmt.Sprintf("02:00:00:00:01:%02x", p.n), SourceDestCheck: true,
		Groups: groups, Addresses: []netip.Addr{netip.MustParseAddr(p.addr)}, IPv6: []netip.Addr{p.addr6()},
		Attachment: &secgroup.Attachment{Instance: p.instance()},
	}
}

// from returns rules by which members of a group may reach port 5000 and ping.
func from(group string) []secgroup.Rule {
	peer := secgroup.Peer{Group: group}
	return []secgroup.Rule{
		{ID: "sgr-" + group, RuleKey: secgroup.RuleKey{Protocol: secgroup.TCP, From: 5000, To: 5000, Peer: peer}},
		{ID: "sgr-icmp" + group, RuleKey: secgroup.RuleKey{Protocol: 1, From: -1, To: -1, Peer: peer}},
	}
}

func outside(group string) []secgroup.Rule {
	return []secgroup.Rule{
		{ID: "sgr-out4-" + group, RuleKey: secgroup.RuleKey{Egress: true, Protocol: secgroup.AllProtocols, From: -1, To: -1, Peer: secgroup.Peer{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}},
		{ID: "sgr-out6-" + group, RuleKey: secgroup.RuleKey{Egress: true, Protocol: secgroup.AllProtocols, From: -1, To: -1, Peer: secgroup.Peer{Prefix: netip.MustParsePrefix("fd00::/8")}}},
	}
}

// populate makes the world and waits until its instances run.
func populate(t testing.TB, in *installation) *world {
	t.Helper()
	w := &world{in, map[string]*testnet.NS{}}
	in.step(func(tx *model.Tx) {
		for vpc, v := range map[string]struct {
			vni         uint32
			four, six   string
			peered, via string
		}{
			"red":   {vniRed, "10.0.0.0/16", "fd00:a::/56", "10.1.0.0/16", "fd00:b::/56"},
			"blue":  {vniBlue, "10.0.0.0/16", "fd00:a::/56", "", ""},
			"green": {vniGreen, "10.1.0.0/16", "fd00:b::/56", "10.0.0.0/16", "fd00:a::/56"},
		} {
			id := "vpc-" + vpc
			four, six := netip.MustParsePrefix(v.four), netip.MustParsePrefix(v.six)
			tx.VPCs.Put(&secgroup.VPC{ID: id, VNI: v.vni, DNSSupport: true, CIDRs: []secgroup.CIDRAssociation{{Prefix: four}}, IPv6: []secgroup.CIDRAssociation{{Prefix: six}}, MainRouteTable: "rtb-" + vpc})
			tx.Subnets.Put(&secgroup.Subnet{ID: "subnet-" + vpc, VPC: id, CIDR: netip.PrefixFrom(four.Addr(), 24), IPv6: &secgroup.CIDRAssociation{Prefix: netip.PrefixFrom(six.Addr(), 64)}})
			if v.peered != "" {
				table := &secgroup.RouteTable{ID: "rtb-" + vpc, VPC: id}
				for _, to := range []string{v.peered, v.via} {
					table.Routes = append(table.Routes, secgroup.Route{Destination: netip.MustParsePrefix(to), Peering: "pcx-1"})
				}
				tx.RouteTables.Put(table)
			}
			source := "sg-" + vpc + "-web"
			if vpc == "green" {
				source = "sg-red-web"
			}
			for _, name := range []string{"web", "db", "app"} {
				g := &secgroup.Group{ID: "sg-" + vpc + "-" + name, VPC: id, Rules: outside(vpc + name)}
				if name != "web" {
					g.Rules = append(g.Rules, from(source)...)
				}
				tx.Groups.Put(g)
			}
		}
		p := &secgroup.Peering{ID: "pcx-1", State: secgroup.PeeringActive}
		p.Requester.VPC, p.Accepter.VPC = "vpc-red", "vpc-green"
		tx.Peerings.Put(p)
		for _, p := range places {
			tx.Instances.Put(&secgroup.Instance{ID: p.instance(), State: secgroup.Pending, Host: p.host})
			tx.Interfaces.Put(p.row(p.group()))
		}
	})
	for _, p := range places {
		in.hosts[p.host].expect(p.vpc+"/"+p.name+" to run", func(said answer) bool {
			if said.Instance == "" {
				return false
			}
			if said.Observed != secgroup.Running {
				t.Fatalf("%s became %s: %s", said.Instance, said.Observed, said.Detail)
			}
			return true // as many answers as instances
		})
	}
	in.step(func(tx *model.Tx) {
		for _, p := range places {
			tx.Instances.Put(&secgroup.Instance{ID: p.instance(), State: secgroup.Running, Host: p.host})
		}
	})
	for _, p := range places {
		w.inside[p.vpc+"/"+p.name] = testnet.Named(t, "hedgeward-"+p.instance())
	}
	return w
}

// group has an instance be in other groups.
func (w *world) group(key string, groups ...string) {
	w.t.Helper()
	w.step(func(tx *model.Tx) { tx.Interfaces.Put(at(key).row(groups...)) })
}

// open fails the test unless a connection from one instance to another is made, and
// shut unless none is.
func (w *world) open(what, key string, to netip.AddrPort) {
	w.t.Helper()
	if err := w.inside[key].TCP(to, patience); err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
}

func (w *world) shut(what, key string, to netip.AddrPort) {
	w.t.Helper()
	if err := w.inside[key].TCP(to, silence); err == nil {
		w.t.Errorf("%s: a connection is made", what)
	}
}
