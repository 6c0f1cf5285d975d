// SPDX-License-Identifier: Apache-2.0

package why

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/internal/testworld"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/oracle"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

const here = "local" // the host

// emptyModel returns a model with nothing in it, to begin transactions on.
func emptyModel(t *testing.T) *model.Model {
	t.Helper()
	s, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	m, err := model.Open(context.Background(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// stored returns an oracle's world as the store has it, every interface on a
// running instance of its own.
func stored(m *model.Model, w *oracle.World) *model.Snapshot {
	tx := m.Begin()
	for name, v := range w.VPCs {
		row := &secgroup.VPC{ID: "vpc-" + name, MainRouteTable: "rtb-" + name}
		for _, block := range v.CIDRs {
			if a := (secgroup.CIDRAssociation{Prefix: block}); block.Addr().Is4() {
				row.CIDRs = append(row.CIDRs, a)
			} else {
				row.IPv6 = append(row.IPv6, a)
			}
		}
		tx.VPCs.Put(row)
		tx.Subnets.Put(&secgroup.Subnet{ID: "subnet-" + name, VPC: row.ID, CIDR: v.Subnets[0], IPv6: &secgroup.CIDRAssociation{Prefix: v.Subnets[2]}})
	}
	for name, g := range w.Groups {
		row := &secgroup.Group{ID: "sg-" + name, VPC: "vpc-" + g.VPC, Name: name}
		for _, r := range g.Rules {
			key := secgroup.RuleKey{Egress: r.Direction == flow.Egress, Protocol: secgroup.Protocol(r.Protocol), From: int32(r.From), To: int32(r.To)}
			switch key.Peer.Prefix = r.Peer.CIDR; {
			case r.Peer.Group != "":
				key.Peer.Group = "sg-" + r.Peer.Group
			case r.Peer.PrefixList != "":
				key.Peer.PrefixList = r.Peer.PrefixList
			}
			row.Rules = append(row.Rules, secgroup.Rule{ID: r.ID, RuleKey: key})
		}
		tx.Groups.Put(row)
	}
	for name, blocks := range w.PrefixLists {
		row := &secgroup.PrefixList{ID: name, Version: 1}
		for _, b := range blocks {
			row.Entries = append(row.Entries, secgroup.PrefixListEntry{Prefix: b})
		}
		tx.PrefixLists.Put(row)
	}
	for name, e := range w.Interfaces {
		row := &secgroup.Interface{
			ID: "eni-" + name, VPC: "vpc-" + e.VPC, Subnet: "subnet-" + e.VPC, SourceDestCheck: e.SourceDestCheck,
			Attachment: &secgroup.Attachment{ID: "eni-attach-" + name, Instance: "i-" + name},
		}
		for _, g := range e.Groups {
			row.Groups = append(row.Groups, "sg-"+g)
		}
		for _, a := range e.Addresses {
			if a.Addr().Is4() {
				row.Addresses = append(row.Addresses, a.Addr())
			} else {
				row.IPv6 = append(row.IPv6, a.Addr())
			}
		}
		tx.Interfaces.Put(row)
		tx.Instances.Put(&secgroup.Instance{ID: "i-" + name, State: secgroup.Running, Host: here, VPC: row.VPC})
	}
	return tx.Snapshot
}

// Whoever is asked about, by address, interface or instance, the answer is the
// specification's.
func TestAnswersAgreeWithTheOracle(t *testing.T) {
	m := emptyModel(t)
	seed := testrand.Seed(t)
	passed, missed := 0, 0
	for n := range uint64(150) {
		rng := testrand.New(seed + n)
		w := testworld.Random(rng, testworld.Options{PrefixLists: true}).World
		snap := stored(m, w)
		names := slices.Sorted(maps.Keys(w.Interfaces))
		for range 40 {
			from := w.Interfaces[names[rng.IntN(len(names))]]
			p := flow.Packet{Protocol: []uint8{6, 6, 17, 1, 58, 47}[rng.IntN(6)], Src: from.Addresses[rng.IntN(len(from.Addresses))].Addr()}
			to := w.Interfaces[names[rng.IntN(len(names))]]
			if p.Dst = to.Addresses[rng.IntN(len(to.Addresses))].Addr(); rng.IntN(4) == 0 {
				p.Dst = netip.MustParseAddr([]string{"203.0.113.1", "2001:db8:ffff::1"}[rng.IntN(2)])
			}
			if to = w.Owner(from.VPC, p.Dst); to == from || p.Src.Is4() != p.Dst.Is4() {
				continue
			}
			if p.Family = flow.IPv4; p.Src.Is6() {
				p.Family = flow.IPv6
			}
			q := Question{From: p.Src.String(), To: p.Dst.String(), Protocol: fmt.Sprint(p.Protocol), Interface: ""}
			switch number := []int{22, 53, 80, 443, 5432, 8, 3}[rng.IntN(7)]; p.Protocol {
			case 6, 17:
				p.DstPort, q.Port = uint16(number), fmt.Sprint(number)
			case 1, 58:
				p.Type, q.Port = uint8(number), fmt.Sprint(uint8(number))
			}
			gates := map[flow.Direction]*oracle.Interface{flow.Egress: from, flow.Ingress: to}
			switch rng.IntN(3) {
			case 0:
				q.Interface = "eni-" + from.Name
				gates[flow.Ingress] = nil
			case 1:
				q.From = "eni-" + from.Name
				if p.Src != from.Addresses[0].Addr() {
					continue
				}
			case 2:
				q.From = "i-" + from.Name
				if p.Src != from.Addresses[0].Addr() {
					continue
				}
			}
			a, err := Ask(snap, here, q)
			if foreign := p.Protocol == 58 && p.Src.Is4() || p.Protocol == 1 && p.Src.Is6(); foreign && err != nil {
				continue
			}
			if err != nil {
				t.Fatalf("SEED=%d: %+v: %v", seed+n, q, err)
			}
			if a.From.Address != p.Src || a.To.Address != p.Dst {
				continue // an address of the other family, or another one first
			}
			for _, dir := range []flow.Direction{flow.Egress, flow.Ingress} {
				at := slices.IndexFunc(a.Gates, func(g Gate) bool { return g.Direction == dir.String() })
				if (at >= 0) != (gates[dir] != nil) {
					t.Fatalf("SEED=%d: %+v is asked at %+v", seed+n, q, a.Gates)
				}
				if at < 0 {
					continue
				}
				g, want := a.Gates[at], w.Allowed(gates[dir], dir, p, oracle.Path{From: from})
				if len(gates[dir].Groups) == 0 {
					continue // no policy yet; interfaces in the store always have groups
				}
				if g.Passes != (len(want) > 0) || g.Passes && !slices.Contains(want, g.Rule.ID) {
					t.Fatalf("SEED=%d: %+v: %s at %s says %+v, the specification admits it by %q", seed+n, q, dir, g.Interface, g, want)
				}
				if passed += len(want); !g.Passes {
					missed += len(g.Misses)
				}
			}
		}
	}
	if passed < 100 || missed < 100 {
		t.Errorf("only %d rules that admit and %d near misses were compared", passed, missed)
	}
}

// small is a world in which what is missed can be told by heart.
func small(t *testing.T) *model.Snapshot {
	t.Helper()
	s, err := testworld.Parse(`
		vpc v1 10.0.0.0/16 2001:db8:1::/56 subnets 10.0.1.0/24 10.0.2.0/24 2001:db8:1:1::/64
		vpc v2 10.0.0.0/16 2001:db8:1::/56 subnets 10.0.1.0/24 10.0.2.0/24 2001:db8:1:1::/64
		group web v1
		group db v1
		group other v2
		interface a v1 02:00:00:00:00:0a 10.0.1.10 groups web
		interface b v1 02:00:00:00:00:0b 10.0.1.20 groups db
		interface c v2 02:00:00:00:00:0c 10.0.1.20 groups other
	`)
	if err != nil {
		t.Fatal(err)
	}
	group := func(name string, rules ...oracle.Rule) {
		for i := range rules {
			rules[i].ID = fmt.Sprintf("sgr-%s-%d", name, i)
		}
		s.World.Groups[name].Rules = rules
	}
	group("web", oracle.Rule{Direction: flow.Egress, Protocol: -1, Peer: oracle.Peer{CIDR: netip.MustParsePrefix("0.0.0.0/0")}})
	group("db",
		oracle.Rule{Protocol: 6, From: 5433, To: 5433, Peer: oracle.Peer{Group: "web"}},
		oracle.Rule{Protocol: 17, From: 5432, To: 5432, Peer: oracle.Peer{Group: "web"}},
		oracle.Rule{Protocol: 6, From: 5432, To: 5432, Peer: oracle.Peer{Group: "db"}},
		oracle.Rule{Protocol: 17, From: 1, To: 1, Peer: oracle.Peer{Group: "web"}},
		oracle.Rule{Protocol: 6, From: 443, To: 443, Peer: oracle.Peer{Group: "web"}})
	return stored(emptyModel(t), s.World)
}

func TestNearestMisses(t *testing.T) {
	a, err := Ask(small(t), here, Question{From: "i-a", To: "eni-b", Protocol: "tcp", Port: "5432"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range a.Gates[1].Misses {
		got = append(got, m.ID+" "+m.Group+" "+m.Field)
	}
	if want := "sgr-db-0 sg-db port; sgr-db-1 sg-db protocol; sgr-db-2 sg-db peer; sgr-db-4 sg-db port"; strings.Join(got, "; ") != want {
		t.Errorf("missed by %s, want %s", strings.Join(got, "; "), want)
	}
	if a.Passes || !a.Gates[0].Passes || a.Gates[0].Rule.ID != "sgr-web-0" || a.Gates[1].Reason != "no_rule" {
		t.Errorf("answer %+v", a)
	}
	if a.Gates[1].Misses[0].Text != "peer: sg-web, TCP, from port: 5433, to port: 5433" {
		t.Errorf("shown as %q", a.Gates[1].Misses[0].Text)
	}
}

func TestQuestionsThatCannotBeAnswered(t *testing.T) {
	snap := small(t)
	for _, c := range []struct {
		q    Question
		want string
	}{
		{Question{From: "10.0.1.20", To: "203.0.113.1", Protocol: "tcp", Port: "1"}, "10.0.1.20 is an address in vpc-v1 and vpc-v2; say which interface is meant with --eni, or name it instead"},
		{Question{From: "eni-x", To: "eni-b", Protocol: "tcp", Port: "1"}, "there is no interface eni-x; see: aws ec2 describe-network-interfaces"},
		{Question{From: "i-x", To: "eni-b", Protocol: "tcp", Port: "1"}, "there is no instance i-x"},
		{Question{From: "web", To: "eni-b", Protocol: "tcp", Port: "1"}, `"web" is no end; give an address, an interface (eni-…) or an instance (i-…)`},
		{Question{From: "eni-a", To: "eni-b", Protocol: "tcp", Port: "70000"}, `"70000" is no port of tcp; it is a number up to 65535`},
		{Question{From: "eni-a", To: "eni-b", Protocol: "tcp"}, `"" is no port of tcp; it is a number up to 65535`},
		{Question{From: "eni-a", To: "eni-b", Protocol: "icmp", Port: "3/x"}, `"x" is no code of icmp; it is a number up to 255`},
		{Question{From: "eni-a", To: "eni-b", Protocol: "gre"}, `"gre" is no protocol; say tcp, udp, icmp, icmpv6 or a number from 0 to 255`},
		{Question{From: "eni-a", To: "eni-b", Protocol: "-1"}, `"-1" is no protocol; say tcp, udp, icmp, icmpv6 or a number from 0 to 255`},
		{Question{From: "eni-a", To: "eni-b", Protocol: "47", Port: "1"}, "protocol 47 has no ports; leave --port out"},
		{Question{From: "eni-a", To: "2001:db8::1", Protocol: "tcp", Port: "1"}, "eni-a and 2001:db8::1 have no address of one family"},
		{Question{From: "10.0.1.10", To: "2001:db8::1", Protocol: "tcp", Port: "1"}, "10.0.1.10 and 2001:db8::1 are addresses of different families"},
		{Question{From: "eni-a", To: "eni-b", Protocol: "icmpv6", Port: "128"}, "icmpv6 is not spoken between 10.0.1.10 and 10.0.1.20"},
		{Question{From: "203.0.113.1", To: "203.0.113.2", Protocol: "tcp", Port: "1"}, "neither 203.0.113.1 nor 203.0.113.2 is an address of an interface here; name one by its id"},
		{Question{From: "eni-a", To: "10.0.1.20", Interface: "eni-c", Protocol: "tcp", Port: "1"}, "neither 10.0.1.10 nor 10.0.1.20 is an address of eni-c, so it judges no packet between them"},
	} {
		if _, err := Ask(snap, here, c.q); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.q, err, c.want)
		}
	}
}

// What is not in force is closed, and where nobody is nothing arrives.
func TestClosedAndEmpty(t *testing.T) {
	snap := small(t)
	a, err := Ask(snap, here, Question{From: "eni-a", To: "10.0.2.99", Protocol: "udp", Port: "53"})
	if err != nil || a.Passes || len(a.Gates) != 1 || !a.Gates[0].Passes || a.Beyond != "no_route: nobody has 10.0.2.99 in vpc-v1" {
		t.Errorf("to nobody: %+v, %v", a, err)
	}
	out := func(want string) {
		t.Helper()
		a, err := Ask(snap, here, Question{From: "eni-a", To: "203.0.113.9", Protocol: "udp", Port: "53"})
		if err != nil || !a.Gates[0].Passes || a.Passes != (want == "") || a.Beyond != want {
			t.Errorf("to the outside: %+v, %v, want %q", a, err, want)
		}
	}
	main := *snap.MainRouteTable(snap.VPCs.Get("vpc-v1"))
	out("no_route: no route of " + main.ID + " leads to 203.0.113.9")
	main.ID = "rtb-1"
	main.Routes = []secgroup.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0"), Gateway: "igw-1"}}
	main.Subnets = []secgroup.RouteAssociation{{ID: "rtbassoc-1", Subnet: snap.Interfaces.Get("eni-a").Subnet}}
	snap.RouteTables.Put(&main)
	snap.InternetGateways.Put(&secgroup.InternetGateway{ID: "igw-1", VPC: "vpc-v1"})
	out("no_public_address: nothing stands for 10.0.1.10 on the internet")
	behind := main
	behind.Routes = []secgroup.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0"), NAT: "nat-1"}}
	snap.RouteTables.Put(&behind)
	out("no_route: no route of rtb-1 leads to 203.0.113.9")
	snap.NATGateways.Put(&secgroup.NATGateway{ID: "nat-1", VPC: "vpc-v1", State: secgroup.NATAvailable})
	out("")
	snap.RouteTables.Put(&main)
	joined := *snap.Interfaces.Get("eni-a")
	joined.Public = netip.MustParseAddr("198.18.0.9")
	snap.Interfaces.Put(&joined)
	out("")
	if a, err = Ask(snap, here, Question{From: "eni-a", To: "eni-c", Protocol: "udp", Port: "53"}); err != nil || a.Passes || a.Beyond != "no_route: 10.0.1.20 in vpc-v1 does not lead to eni-c of vpc-v2" {
		t.Errorf("to another VPC: %+v, %v", a, err)
	}
	stopped := *snap.Instances.Get("i-a")
	stopped.State = secgroup.Stopped
	snap.Instances.Put(&stopped)
	free := *snap.Interfaces.Get("eni-b")
	free.Attachment = nil
	snap.Interfaces.Put(&free)
	a, err = Ask(snap, here, Question{From: "eni-a", To: "eni-b", Protocol: "6", Port: "443"})
	if err != nil || a.Passes || a.Gates[0].Reason != "no_policy" || a.Gates[0].Detail != "instance i-a is stopped" || a.Gates[1].Detail != "it is attached to no instance" {
		t.Errorf("neither in force: %+v, %v", a, err)
	}
}
