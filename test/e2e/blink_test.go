// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/test/rig"
)

const blinkVPC = "10.9.0.0/16"

// lane is one stream from the client to the server, and what becomes of every
// datagram of it whatever changes around it.
type lane struct {
	what  string
	port  int
	fresh bool
	open  bool

	stream, sink int // the orders that opened them
}

// blink is two instances and the streams between them, and everything that may
// change without changing any datagram's fate (docs/spec/packet-semantics.md
// sections 1.10 and 3.10, cases L01 to L05).
type blink struct {
	*world
	rnd            *rand.Rand
	server, client *guest
	lanes          []*lane

	web     [2]string // both admit what is open; the server is in either or both
	extra   string    // joins and leaves; admits nothing that is streamed
	clients string    // the client's; referred to by web
	others  string    // referred to as well; the client is never a member
	turns   [2]string // the client is in one of them; web admits that one on openTurn, the other on shutTurn
	turn    int       // which
	list    string    // prefix list that web admits

	version int64           // of list
	rules   map[string]bool // unrelated rules that are there now
	entries map[string]bool // unrelated entries of list
	members []string        // interfaces that come and go
}

// Ports of the lanes of takeTurns.
const (
	openTurn = 87
	shutTurn = 88
)

// blinkRate is datagrams a second and lane. However long the changes take, the
// flows of eight lanes that live half a minute stay below an instance's allowance.
const blinkRate = 300

func newBlink(t *testing.T, s *rig.Server, seed uint64) *blink {
	t.Helper()
	b := &blink{
		world: newWorld(t, s, "us-east-1", blinkVPC), rnd: testrand.New(seed),
		rules: map[string]bool{}, entries: map[string]bool{},
		lanes: []*lane{
			{what: "new flows, by address", port: 80, fresh: true, open: true},
			{what: "one tracked flow", port: 81, open: true},
			{what: "untracked", port: 82, fresh: true, open: true},
			{what: "new flows, by group", port: 83, fresh: true, open: true},
			{what: "new flows, by prefix list", port: 84, fresh: true, open: true},
			{what: "no rule", port: 85, fresh: true},
			{what: "a rule for a group that the client is not in", port: 86, fresh: true},
			{what: "a rule for one of two groups that the client is in by turns", port: openTurn, fresh: true, open: true},
			{what: "a rule for the other one", port: shutTurn, fresh: true},
		},
	}
	b.extra, b.clients, b.others = b.group("extra"), b.group("clients"), b.group("others")
	list, err := b.api.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("streams"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(9),
		Entries: []types.AddPrefixListEntry{{Cidr: aws.String(blinkVPC)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.list, b.version = *list.PrefixList.PrefixListId, 1
	for i := range b.web {
		b.web[i] = b.group(fmt.Sprint("web", i))
		for _, peer := range []struct {
			port int32
			peer string
		}{{80, blinkVPC}, {81, blinkVPC}, {82, anywhere}, {83, b.clients}, {86, b.others}} {
			b.allow(b.web[i], permission("udp", peer.port, peer.port, peer.peer))
		}
		b.allow(b.web[i], []types.IpPermission{{
			IpProtocol: aws.String("udp"), FromPort: aws.Int32(84), ToPort: aws.Int32(84),
			PrefixListIds: []types.PrefixListId{{PrefixListId: &b.list}},
		}})
	}
	g := b.run(b.web[0], b.clients)
	b.server, b.client = g[0], g[1]
	for i := range b.turns {
		b.turns[i] = b.group(fmt.Sprint("turn", i))
	}
	b.join(b.client, b.clients, b.turns[0])
	b.eachWeb(b.allow, openTurn, b.turns[0])
	b.eachWeb(b.allow, shutTurn, b.turns[1])
	return b
}

// eachWeb allows or revokes a port of a peer in both groups of the server.
func (b *blink) eachWeb(do func(string, []types.IpPermission), port int32, peer string) {
	b.t.Helper()
	for _, web := range b.web {
		do(web, permission("udp", port, port, peer))
	}
}

// takeTurns moves the client from one group to the other, and the rules with it,
// in an order in which what is open is always open and what is shut always shut.
// Changes that lie so close together reach the host as one.
func (b *blink) takeTurns() {
	b.t.Helper()
	was, next := b.turns[b.turn], b.turns[1-b.turn]
	b.turn = 1 - b.turn
	b.eachWeb(b.allow, openTurn, next)
	b.eachWeb(b.revoke, shutTurn, next)
	b.join(b.client, b.clients, next)
	b.eachWeb(b.revoke, openTurn, was)
	b.eachWeb(b.allow, shutTurn, was)
}

// start opens the sinks and then the streams.
func (b *blink) start() {
	b.t.Helper()
	for _, l := range b.lanes {
		_, n, err := b.server.order(order{Do: "sink", Address: ":" + strconv.Itoa(l.port)})
		if err != nil {
			b.t.Fatal(err)
		}
		l.sink = n
	}
	for _, l := range b.lanes {
		_, n, err := b.client.order(order{Do: "stream", Address: fmt.Sprintf("%s:%d", b.server.ip, l.port), Rate: blinkRate, Fresh: l.fresh})
		if err != nil {
			b.t.Fatal(err)
		}
		l.stream = n
	}
}

// finish halts the streams and compares what was sent with what came.
func (b *blink) finish() {
	b.t.Helper()
	var wg sync.WaitGroup
	for _, l := range b.lanes {
		wg.Go(func() {
			sent, err := b.client.ask(order{Do: "halt", Socket: l.stream})
			if err != nil || sent.Count < blinkRate/2 {
				b.t.Errorf("%s: %d datagrams sent, %v: the stream proves nothing", l.what, sent.Count, err)
				return
			}
			o := order{Do: "counted", Socket: l.sink, Want: sent.Count, Wait: patience}
			if !l.open {
				o.Want, o.Wait = 1, glance
			}
			came, err := b.server.ask(o)
			switch {
			case err != nil:
				b.t.Error(err)
			case l.open && came.Count != sent.Count:
				b.t.Errorf("%s: %d of %d datagrams were lost", l.what, sent.Count-came.Count, sent.Count)
			case !l.open && came.Count != 0:
				b.t.Errorf("%s: %d of %d datagrams got through", l.what, came.Count, sent.Count)
			default:
				b.t.Logf("%s: %d sent, %d came", l.what, sent.Count, came.Count)
			}
		})
	}
	wg.Wait()
	if b.t.Failed() {
		b.t.Log(b.s.Command(b.t, "status"))
	}
}

// change makes one random change that touches no datagram's fate.
func (b *blink) change() {
	b.t.Helper()
	switch b.rnd.IntN(9) {
	case 0, 1, 2:
		b.toggleRule()
	case 3:
		b.regroupServer()
	case 4:
		groups := [][]string{{b.clients, b.turns[b.turn]}, {b.clients, b.turns[b.turn], b.extra}}
		b.join(b.client, groups[b.rnd.IntN(len(groups))]...)
	case 5:
		b.comeOrGo()
	case 6:
		b.regroupMember()
	case 7:
		b.toggleEntry()
	case 8:
		b.takeTurns()
	}
}

func (b *blink) toggleRule() {
	peers := []string{b.clients, b.others, b.extra, "10.9.1.77/32", "10.0.0.0/8"}
	groups := []string{b.web[0], b.web[1], b.extra}
	group, peer := groups[b.rnd.IntN(len(groups))], peers[b.rnd.IntN(len(peers))]
	port := int32(1000 + b.rnd.IntN(4)) // few, so that rules go as often as they come
	protocol := []string{"tcp", "udp"}[b.rnd.IntN(2)]
	key := fmt.Sprint(group, peer, port, protocol)
	if b.rules[key] {
		b.revoke(group, permission(protocol, port, port, peer))
	} else {
		b.allow(group, permission(protocol, port, port, peer))
	}
	b.rules[key] = !b.rules[key]
}

func (b *blink) regroupServer() {
	sets := [][]string{{b.web[0]}, {b.web[1]}, {b.web[0], b.extra}, {b.web[1], b.extra}, {b.web[0], b.web[1]}}
	b.join(b.server, sets[b.rnd.IntN(len(sets))]...)
}

// comeOrGo makes or deletes an interface that is a member of what web refers to.
func (b *blink) comeOrGo() {
	if n := len(b.members); n > 0 && b.rnd.IntN(6) < n {
		last := b.members[n-1]
		if _, err := b.api.DeleteNetworkInterface(b.t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &last}); err != nil {
			b.t.Fatal(err)
		}
		b.members = b.members[:n-1]
		return
	}
	groups := []string{b.others, b.clients}
	made, err := b.api.CreateNetworkInterface(b.t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &b.subnet, Groups: groups[:1+b.rnd.IntN(2)]})
	if err != nil {
		b.t.Fatal(err)
	}
	b.members = append(b.members, *made.NetworkInterface.NetworkInterfaceId)
}

func (b *blink) regroupMember() {
	if len(b.members) == 0 {
		b.comeOrGo()
		return
	}
	id := b.members[b.rnd.IntN(len(b.members))]
	groups := [][]string{{b.clients}, {b.others}, {b.clients, b.others}, {b.extra}}[b.rnd.IntN(4)]
	if _, err := b.api.ModifyNetworkInterfaceAttribute(b.t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &id, Groups: groups}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *blink) toggleEntry() {
	cidr := fmt.Sprintf("10.9.%d.0/24", 10+b.rnd.IntN(8))
	in := &ec2.ModifyManagedPrefixListInput{PrefixListId: &b.list, CurrentVersion: &b.version}
	if b.entries[cidr] {
		in.RemoveEntries = []types.RemovePrefixListEntry{{Cidr: &cidr}}
	} else {
		in.AddEntries = []types.AddPrefixListEntry{{Cidr: &cidr}}
	}
	if _, err := b.api.ModifyManagedPrefixList(b.t.Context(), in); err != nil {
		b.t.Fatal(err)
	}
	b.entries[cidr] = !b.entries[cidr]
	b.version++
}

// TestNoBlink makes a thousand changes of rules, members, groups and prefix lists
// under steady streams: none that is allowed before and after may lose a
// datagram, and none that is forbidden may get one through.
func TestNoBlink(t *testing.T) {
	t.Parallel()
	b := newBlink(t, rig.New(t), testrand.Seed(t))
	b.start()
	for n := range 1000 {
		b.change()
		if n%50 == 49 { // all at once, and each by itself
			b.s.Settle(t)
		}
	}
	b.s.Settle(t)
	b.finish()
}

// TestNoBlinkAcrossRestarts ends the process in the middle of changes, with and
// without warning, and starts it again.
func TestNoBlinkAcrossRestarts(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	b := newBlink(t, s, testrand.Seed(t))
	b.start()
	for _, end := range []func(*testing.T){s.Kill, s.Interrupt, s.Kill} {
		for range 30 {
			b.change()
		}
		end(t)
		s.Start(t)
		b.reconnect()
	}
	b.s.Settle(t)
	b.finish()
}
