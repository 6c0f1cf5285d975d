// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// TestTurning has B change its group while A's rules change with it: the switch
// of A's policy is the only step that a packet sees (section 1.10), also when the
// process ends half way.
func TestTurning(t *testing.T) {
	portOf := func(port int, group string) policy.Source {
		return policy.Source{flow.Ingress: {{ID: "r", Protocol: 6, From: port, To: port, Peer: policy.Peer{Group: group}}}}
	}
	for _, c := range []struct {
		name          string
		before, after []string // groups of B
		restart       bool
	}{
		{"from group to group", []string{"sg-1"}, []string{"sg-2"}, false},
		{"one group more", []string{"sg-1"}, []string{"sg-1", "sg-2"}, false},
		{"into the first group", nil, []string{"sg-2"}, false},
		{"out of the last group", []string{"sg-1"}, nil, false},
		{"no change", []string{"sg-1"}, []string{"sg-1"}, false},
		{"a new process finishes it", []string{"sg-1"}, []string{"sg-2"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, b := pair(t)
			port := 1000
			admits := func(when string, groups []string, oldPolicy bool) {
				t.Helper()
				for n, group := range []string{"sg-1", "sg-2"} {
					want := noRule
					for _, g := range groups {
						// The old policy opens 22 to sg-1 and nothing to sg-2; the new
						// one 22 to sg-2 and 23 to sg-1.
						if g == group && (!oldPolicy || n == 0) {
							want = byRule
						}
					}
					to := 22
					if !oldPolicy && n == 0 {
						to = 23
					}
					if n == 1 && oldPolicy {
						continue // 22 was asked for already
					}
					port++
					got := l.Out(b, tcp(fmt.Sprintf("10.0.1.20:%d", port), fmt.Sprintf("10.0.1.10:%d", to), "S")).Reason[flow.Ingress]
					if got != want {
						t.Errorf("%s: to port %d as a member of %v: %s, want %s", when, to, groups, got, want)
					}
				}
			}
			put := func(turning bool) {
				t.Helper()
				err := l.PutAddress(datapath.Address{
					VPC: bpftest.VPC, Addr: netip.MustParseAddr("10.0.1.20"), Interface: "eni-b", Groups: c.after, Turning: turning,
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			l.SetPolicy(l.a, portOf(22, "sg-1"))
			l.SetGroups("eni-b", "10.0.1.20", c.before...)
			admits("before", c.before, true)
			put(true)
			admits("turning", c.before, true)
			if c.restart {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l.Open()
				admits("adopted", c.before, true)
				put(true)
				admits("turning again", c.before, true)
			}
			src := portOf(23, "sg-1")
			src[flow.Ingress] = append(src[flow.Ingress], portOf(22, "sg-2")[flow.Ingress]...)
			l.SetPolicy(l.a, src)
			admits("switched", c.after, false)
			put(false)
			admits("after", c.after, false)
		})
	}
}
