// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/flow"
)

// TestLayout holds the generated types against the sizes that maps have, and C's
// words against Go's.
func TestLayout(t *testing.T) {
	sizes := []struct {
		name string
		got  uintptr
		want uintptr
	}{
		{"flow_key", unsafe.Sizeof(HedgewardFlowKey{}), 24},
		{"transit_key", unsafe.Sizeof(HedgewardTransitKey{}), 40},
		{"flow", unsafe.Sizeof(HedgewardFlow{}), 32},
		{"step", unsafe.Sizeof(HedgewardStep{}), 8},
		{"owner", unsafe.Sizeof(HedgewardOwner{}), 8},
		{"address_key", unsafe.Sizeof(HedgewardAddressKey{}), 20},
		{"remote", unsafe.Sizeof(HedgewardRemote{}), 24},
		{"public", unsafe.Sizeof(HedgewardPublic{}), 24},
		{"route_key", unsafe.Sizeof(HedgewardRouteKey{}), 24},
		{"tally", unsafe.Sizeof(HedgewardTally{}), 2 * 64 * 8},
	}
	for _, s := range sizes {
		if s.got != s.want {
			t.Errorf("struct %s has %d bytes, want %d", s.name, s.got, s.want)
		}
	}
	if got, want := int(HedgewardReasonNUM_REASONS), int(flow.NumReasons); got != want {
		t.Errorf("C has %d reasons, Go %d", got, want)
	}
	for c, g := range map[HedgewardReason]flow.Reason{
		HedgewardReasonREASON_RULE:              flow.ReasonRule,
		HedgewardReasonREASON_TRACKED:           flow.ReasonTracked,
		HedgewardReasonREASON_UNTRACKED:         flow.ReasonUntracked,
		HedgewardReasonREASON_EXEMPT:            flow.ReasonExempt,
		HedgewardReasonREASON_ANSWERED:          flow.ReasonAnswered,
		HedgewardReasonREASON_NO_RULE:           flow.ReasonNoRule,
		HedgewardReasonREASON_NO_STATE:          flow.ReasonNoState,
		HedgewardReasonREASON_BAD_FLAGS:         flow.ReasonBadFlags,
		HedgewardReasonREASON_ALLOWANCE:         flow.ReasonAllowance,
		HedgewardReasonREASON_FRAG_NO_CONTEXT:   flow.ReasonFragNoContext,
		HedgewardReasonREASON_NO_POLICY:         flow.ReasonNoPolicy,
		HedgewardReasonREASON_MALFORMED:         flow.ReasonMalformed,
		HedgewardReasonREASON_ETHERTYPE:         flow.ReasonEthertype,
		HedgewardReasonREASON_SPOOF_MAC:         flow.ReasonSpoofMAC,
		HedgewardReasonREASON_SPOOF_IP:          flow.ReasonSpoofIP,
		HedgewardReasonREASON_SPOOF_ARP:         flow.ReasonSpoofARP,
		HedgewardReasonREASON_SPOOF_ND:          flow.ReasonSpoofND,
		HedgewardReasonREASON_ROGUE_RA:          flow.ReasonRogueRA,
		HedgewardReasonREASON_NOT_MINE:          flow.ReasonNotMine,
		HedgewardReasonREASON_MARTIAN:           flow.ReasonMartian,
		HedgewardReasonREASON_LINKLOCAL:         flow.ReasonLinkLocal,
		HedgewardReasonREASON_BROADCAST:         flow.ReasonBroadcast,
		HedgewardReasonREASON_MULTICAST:         flow.ReasonMulticast,
		HedgewardReasonREASON_SOURCE_ROUTE:      flow.ReasonSourceRoute,
		HedgewardReasonREASON_EXT_CHAIN:         flow.ReasonExtChain,
		HedgewardReasonREASON_FAMILY_MISMATCH:   flow.ReasonFamilyMismatch,
		HedgewardReasonREASON_TINY_FRAGMENT:     flow.ReasonTinyFragment,
		HedgewardReasonREASON_RELATED:           flow.ReasonRelated,
		HedgewardReasonREASON_FRAG_OVERLAP:      flow.ReasonFragOverlap,
		HedgewardReasonREASON_FRAG_HELD:         flow.ReasonFragHeld,
		HedgewardReasonREASON_FRAG_ALLOWANCE:    flow.ReasonFragAllowance,
		HedgewardReasonREASON_LINKLOCAL_RATE:    flow.ReasonLinkLocalRate,
		HedgewardReasonREASON_NO_ROUTE:          flow.ReasonNoRoute,
		HedgewardReasonREASON_NO_PUBLIC_ADDRESS: flow.ReasonNoPublicAddress,
		HedgewardReasonREASON_TOO_BIG:           flow.ReasonTooBig,
	} {
		if int(c) != int(g) {
			t.Errorf("reason %s: %d in C, %d in Go", g, c, g)
		}
	}
}

// TestMaps holds the maps against the types that Go reads and writes them with.
func TestMaps(t *testing.T) {
	spec, err := LoadHedgeward()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		name       string
		key, value uintptr
		kind       ebpf.MapType
	}{
		{HedgewardMapInterfaces, 4, unsafe.Sizeof(HedgewardInterface{}), ebpf.Array},
		{HedgewardMapSlots, 4, 4, ebpf.Hash},
		{HedgewardMapPolicies, 4, unsafe.Sizeof(HedgewardPolicy{}), ebpf.Array},
		{HedgewardMapRoutes, unsafe.Sizeof(HedgewardRouteKey{}), unsafe.Sizeof(HedgewardRow{}), ebpf.LPMTrie},
		{HedgewardMapClassRows, unsafe.Sizeof(HedgewardClassKey{}), unsafe.Sizeof(HedgewardRow{}), ebpf.Hash},
		{HedgewardMapSteps, 4, unsafe.Sizeof(HedgewardStep{}), ebpf.Array},
		{HedgewardMapAddresses, unsafe.Sizeof(HedgewardAddressKey{}), unsafe.Sizeof(HedgewardOwner{}), ebpf.Hash},
		{HedgewardMapFlows, unsafe.Sizeof(HedgewardFlowKey{}), unsafe.Sizeof(HedgewardFlow{}), ebpf.Hash},
		{HedgewardMapFlowsTransit, unsafe.Sizeof(HedgewardTransitKey{}), unsafe.Sizeof(HedgewardFlow{}), ebpf.Hash},
		{HedgewardMapCounters, 4, unsafe.Sizeof(HedgewardTally{}), ebpf.PerCPUArray},
		{HedgewardMapNames, unsafe.Sizeof(HedgewardName{}), 4, ebpf.Hash},
		{HedgewardMapClasses, 4, unsafe.Sizeof(HedgewardGroupSet{}), ebpf.Hash},
	} {
		s := spec.Maps[m.name]
		if s == nil {
			t.Errorf("no map %s", m.name)
			continue
		}
		if s.Type != m.kind || uintptr(s.KeySize) != m.key || uintptr(s.ValueSize) != m.value {
			t.Errorf("map %s is %s with %d+%d bytes, want %s with %d+%d",
				m.name, s.Type, s.KeySize, s.ValueSize, m.kind, m.key, m.value)
		}
	}
}
