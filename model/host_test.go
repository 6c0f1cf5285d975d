// SPDX-License-Identifier: Apache-2.0

package model

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/internal/testrand"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestCountIsWhatByYields walks instances from host to host and from state to
// state, with operations that are taken back.
func TestCountIsWhatByYields(t *testing.T) {
	rng := testrand.New(testrand.Seed(t))
	s, m := start(t)
	hosts := []string{"a", "b", "c"}
	states := []secgroup.InstanceState{secgroup.Running, secgroup.Stopped, secgroup.Terminated}
	mutate := func(tx *Tx) error {
		id := fmt.Sprint("i-", rng.IntN(20))
		if rng.IntN(6) == 0 {
			tx.Instances.Delete(id)
			return nil
		}
		tx.Instances.Put(&secgroup.Instance{ID: id, Host: hosts[rng.IntN(len(hosts))], State: states[rng.IntN(len(states))]})
		return nil
	}
	most := 0
	check := func(snap *Snapshot) {
		t.Helper()
		for _, h := range hosts {
			n := 0
			for in := range snap.Instances.By(ByHost, h) {
				n++
				if in.Host != h || in.State == secgroup.Terminated {
					t.Fatalf("%s has %+v", h, in)
				}
			}
			if got := snap.Instances.Count(ByHost, h); got != n {
				t.Fatalf("%s counts %d instances and has %d", h, got, n)
			}
			most = max(most, n)
		}
	}
	for range 60 {
		tx := m.Begin()
		tx.Guard("test")
		for range 1 + rng.IntN(5) {
			refuse := rng.IntN(3) == 0
			tx.Nested(func(tx *Tx) error {
				mutate(tx)
				if refuse {
					return errors.New("refused")
				}
				return nil
			})
			check(tx.Snapshot)
		}
		check(m.Snapshot()) // which the transaction must leave alone
		check(commit(t, s, m, tx))
	}
	check(follow(t, s).Snapshot())
	if most < 2 {
		t.Error("no host ever had instances: the walk tests nothing")
	}
}

// TestOverlaidNeedsTwoReachableHosts: with one there is nowhere to send to.
func TestOverlaidNeedsTwoReachableHosts(t *testing.T) {
	s, m := start(t)
	put := func(hosts ...secgroup.Host) *Snapshot {
		tx := m.Begin()
		tx.Guard("test")
		for i := range hosts {
			tx.Hosts.Put(&hosts[i])
		}
		return commit(t, s, m, tx)
	}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for _, step := range []struct {
		host secgroup.Host
		want bool
	}{
		{secgroup.Host{Name: "a", Underlay: a}, false},
		{secgroup.Host{Name: "b"}, false},
		{secgroup.Host{Name: "b", Underlay: b}, true},
		{secgroup.Host{Name: "b", Underlay: b, Disabled: true}, false},
	} {
		snap := put(step.host)
		if got := snap.Overlaid(); got != step.want {
			t.Errorf("with %+v: %v, want %v", step.host, got, step.want)
		}
		if reached := snap.Hosts.Has(ByUnderlay, step.host.Underlay.String()); reached != (step.host.Underlay.IsValid() && !step.host.Disabled) {
			t.Errorf("%+v is found by its underlay: %v", step.host, reached)
		}
	}
}
