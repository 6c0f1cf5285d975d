// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/policy"
)

// someRules are rules for a few remote addresses and groups, in any number.
func someRules(rng *rand.Rand) (out rules) {
	for n := range rng.IntN(60) {
		r := policy.Rule{ID: fmt.Sprintf("sgr-%d-%d", n, rng.IntN(3)), Protocol: 17, From: rng.IntN(4), To: 4}
		if rng.IntN(4) == 0 {
			r.Peer.Group = fmt.Sprint("sg-", rng.IntN(3))
		} else {
			r.Peer.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(rng.IntN(16))}), 26+rng.IntN(7)).Masked()
		}
		out = append(out, r)
	}
	return out
}

// TestReplacedPoliciesAreReused changes the rules of an interface and the groups
// of its peers again and again, with and without a spare being at hand, and asks
// after each step what the compiled policy says: a policy that was made of another
// one has nothing of it. The tables are small, so what is not given back is missed
// soon.
func TestReplacedPoliciesAreReused(t *testing.T) {
	rng := testrand.New(testrand.Seed(t))
	rig := bpftest.NewWith(t, func(c *datapath.Config) { c.MaxSteps, c.MaxPrefixes = 4096, 512 })
	l := &lab{rig, rig.Attach(bpftest.Interface("eni-a", a1))}
	groups := map[string][]string{}
	var src rules
	port := 1024
	for step := range 400 {
		switch rng.IntN(4) {
		case 0:
			remote := fmt.Sprint("203.0.113.", rng.IntN(16))
			groups[remote] = nil
			for n := range 3 {
				if rng.IntN(2) == 0 {
					groups[remote] = append(groups[remote], fmt.Sprint("sg-", n))
				}
			}
			l.SetGroups("", remote, groups[remote]...)
		case 1:
			src = someRules(rng)
		default: // one rule more, or one less
			if len(src) > 0 && rng.IntN(2) == 0 {
				at := rng.IntN(len(src))
				src = append(src[:at:at], src[at+1:]...)
			} else {
				src = append(src[:len(src):len(src)], append(someRules(rng), rule(17, 9, 9, "203.0.113.9/32"))[0])
			}
		}
		l.SetPolicy(l.a, world(src, nil))
		if rng.IntN(3) > 0 {
			if err := l.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want := policy.Compile(world(src, nil))
		for range 8 {
			remote, to := fmt.Sprint("203.0.113.", rng.IntN(16)), rng.IntN(6)
			if port++; port > 60000 {
				port = 1024
			}
			got := l.In(l.a, udp(fmt.Sprintf("%s:%d", remote, port), fmt.Sprintf("%s:%d", a1, to)))
			id, admitted := want.Match(flow.Ingress, netip.MustParseAddr(remote), groups[remote], 17, uint16(to))
			if got.Passed != admitted || admitted && src[got.Rule[flow.Ingress]].ID != id {
				t.Fatalf("step %d: from %s in %v to port %d: %s by rule %d, want %v by %q, of %v",
					step, remote, groups[remote], to, got.Reason[flow.Ingress], got.Rule[flow.Ingress], admitted, id, src)
			}
		}
	}
	last := l.Status(l.a).Policy
	if err := l.Datapath.SetPolicy(l.a.ID, 0, 1); err != nil {
		t.Fatal(err)
	}
	if err := l.DeletePolicy(last); err != nil {
		t.Fatal(err)
	}
	if err := l.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"routes", "class_rows"} {
		m, err := ebpf.LoadPinnedMap(filepath.Join(l.Config.Dir, name), nil)
		if err != nil {
			t.Fatal(err)
		}
		key := make([]byte, m.KeySize())
		if err := m.NextKey(nil, &key); err == nil {
			t.Errorf("%s still has %x when no policy is left", name, key)
		}
		m.Close()
	}
}
