// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"net/netip"
	"testing"

	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

func cidr(s string) policy.Peer { return policy.Peer{Prefix: netip.MustParsePrefix(s)} }

func TestFirst(t *testing.T) {
	rig := bpftest.New(t)
	a := rig.Attach(bpftest.Interface("eni-a", "10.0.1.10"))
	got := rig.Out(a, bpftest.TCP("10.0.1.10:40000", "203.0.113.1:443", "S"))
	t.Logf("%+v", got)
	rig.SetPolicy(a, policy.Source{flow.Ingress: {{ID: "r", Protocol: 6, From: 22, To: 22, Peer: cidr("203.0.113.1/32")}}})
	t.Logf("%+v", rig.In(a, bpftest.TCP("203.0.113.1:40000", "10.0.1.10:22", "S")))
	t.Logf("%+v", rig.In(a, bpftest.TCP("203.0.113.1:40000", "10.0.1.10:23", "S")))
	t.Logf("%+v", rig.Out(a, bpftest.TCP("10.0.1.10:22", "203.0.113.1:40000", "SA")))
	t.Logf("%+v", rig.Flows(a))
	t.Logf("%+v", rig.Status(a))
}
