// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/secgroup"
)

// delegating is an interface that gets prefixes of one family.
func delegating(subnet string, f flow.Family, d Delegation) InterfaceSpec {
	spec := InterfaceSpec{Subnet: subnet}
	spec.Delegated[f] = d
	return spec
}

func TestDelegatedPrefixes(t *testing.T) { // section 5.5
	f := newNetworks(t, Config{})
	n := f.network("10.0.1.0/24", "2001:db8:1:1::/64")
	refuse := func(spec InterfaceSpec, want string) {
		t.Helper()
		_, err := f.CreateNetworkInterface(t.Context(), alice, spec, ClientToken{})
		refused(t, err, want)
	}
	spec := delegating(n.subnet.ID, flow.IPv4, Delegation{Prefixes: prefixes("10.0.1.64/28"), More: 1})
	spec.Primary = netip.MustParseAddr("10.0.1.10")
	i := f.create(spec)
	if len(i.Prefixes) != 2 || i.Prefixes[0] != prefixes("10.0.1.64/28")[0] || i.Prefixes[1].Bits() != 28 || !n.subnet.CIDR.Contains(i.Prefixes[1].Addr()) {
		t.Fatalf("prefixes %v", i.Prefixes)
	}
	if free := FreeAddresses(f.Read(), n.subnet); free != 256-5-1-32 {
		t.Errorf("%d addresses are free", free)
	}
	for text, want := range map[string]string{
		"10.0.1.64/28":  "InvalidIPAddress.InUse: The specified address is already in use",
		"10.0.2.64/28":  "InvalidParameterValue: Prefix 10.0.2.64/28 does not fall within the subnet's address range",
		"10.0.1.0/28":   "InvalidParameterValue: Prefix 10.0.1.0/28 is in subnet's reserved address range",
		"10.0.1.240/28": "InvalidParameterValue: Prefix 10.0.1.240/28 is in subnet's reserved address range",
		"10.0.1.65/28":  "InvalidParameterValue: Value (10.0.1.65/28) for parameter prefix is invalid. Expecting a block of length /28.",
		"10.0.1.96/27":  "InvalidParameterValue: Value (10.0.1.96/27) for parameter prefix is invalid. Expecting a block of length /28.",
	} {
		refuse(delegating(n.subnet.ID, flow.IPv4, Delegation{Prefixes: prefixes(text)}), want)
	}
	twice := delegating(n.subnet.ID, flow.IPv4, Delegation{Prefixes: prefixes("10.0.1.80/28", "10.0.1.80/28")})
	if i.Prefixes[1] != prefixes("10.0.1.80/28")[0] {
		refuse(twice, "InvalidParameterValue: Prefix 10.0.1.80/28 is specified more than once")
	}

	// An address and a prefix exclude each other.
	inside := InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{Primary: netip.MustParseAddr("10.0.1.70")}}
	refuse(inside, "InvalidIPAddress.InUse: The specified address is already in use")
	beside := netip.MustParseAddr("10.0.1.100")
	if i.Prefixes[1].Contains(beside) {
		beside = netip.MustParseAddr("10.0.1.120")
	}
	f.create(InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{Primary: beside}})
	around, _ := beside.Prefix(28)
	refuse(delegating(n.subnet.ID, flow.IPv4, Delegation{Prefixes: []netip.Prefix{around}}), "InvalidIPAddress.InUse: The specified address is already in use")

	// Chosen ones fill the subnet and no more: 16 blocks of which two are the
	// network's, two are i's and one has an address.
	f.create(delegating(n.subnet.ID, flow.IPv4, Delegation{More: 10}))
	refuse(delegating(n.subnet.ID, flow.IPv4, Delegation{More: 2}), "InsufficientCidrBlocks: The specified subnet does not have enough free cidr blocks to satisfy the request.")
}

func TestDelegatedIPv6Prefixes(t *testing.T) { // section 5.5
	f := newNetworks(t, Config{})
	n := f.network("10.0.1.0/24", "2001:db8:1:1::/64")
	i := f.create(delegating(n.subnet.ID, flow.IPv6, Delegation{Prefixes: prefixes("2001:db8:1:1:5::/80"), More: 2}))
	if len(i.IPv6Prefixes) != 3 || len(i.IPv6) != 0 || i.IPv6Prefixes[2].Bits() != 80 || !n.subnet.IPv6.Prefix.Contains(i.IPv6Prefixes[2].Addr()) {
		t.Errorf("prefixes %v", i.IPv6Prefixes)
	}
	_, err := f.AssignAddresses(t.Context(), alice, i.ID, Assignment{Family: flow.IPv6, Addresses: addrs("2001:db8:1:1:5::1")})
	refused(t, err, "InvalidIPAddress.InUse: The specified address is already in use")
	_, err = f.CreateNetworkInterface(t.Context(), alice, delegating(n.subnet.ID, flow.IPv6, Delegation{Prefixes: prefixes("2001:db8:1:1::/80")}), ClientToken{})
	refused(t, err, "InvalidParameterValue: Prefix 2001:db8:1:1::/80 is in subnet's reserved address range")
	plain := f.network("10.0.2.0/24", "")
	_, err = f.CreateNetworkInterface(t.Context(), alice, delegating(plain.subnet.ID, flow.IPv6, Delegation{More: 1}), ClientToken{})
	refused(t, err, "InvalidParameterValue: The subnet does not have an IPv6 CIDR block associated")
}

func TestAssignAndUnassignPrefixes(t *testing.T) { // section 5.5
	f := newNetworks(t, Config{})
	n := f.network("10.0.1.0/24", "")
	l := launchIn(n.subnet.ID)
	l.Type = "t3.medium" // six addresses
	in := f.run(l)[0]
	f.report(in.ID, secgroup.Running, "")
	i := Attached(f.Read(), in.ID)[0]
	got, err := f.AssignAddresses(t.Context(), alice, i.ID, Assignment{Delegation: Delegation{More: 4}})
	if err != nil || len(got.Prefixes) != 4 || len(got.Addresses) != 0 {
		t.Fatalf("assigned %+v, %v", got, err)
	}
	_, err = f.AssignAddresses(t.Context(), alice, i.ID, Assignment{Delegation: Delegation{More: 2}})
	refused(t, err, "PrivateIpAddressLimitExceeded: Number of private addresses will exceed limit.")

	other := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	_, err = f.AssignAddresses(t.Context(), alice, other.ID, Assignment{Delegation: Delegation{Prefixes: got.Prefixes[:1]}})
	refused(t, err, "InvalidIPAddress.InUse: The specified address is already in use")
	if _, err = f.AssignAddresses(t.Context(), alice, other.ID, Assignment{Reassign: true, Delegation: Delegation{Prefixes: got.Prefixes[:1]}}); err != nil {
		t.Fatal(err)
	}
	if left := f.Read().Interfaces.Get(i.ID).Prefixes; !slices.Equal(left, got.Prefixes[1:]) {
		t.Errorf("%v are left of %v", left, got.Prefixes)
	}
	err = f.UnassignAddresses(t.Context(), alice, i.ID, flow.IPv4, Assigned{Prefixes: got.Prefixes})
	refused(t, err, "InvalidParameterValue: Some of the specified prefixes are not assigned to interface "+i.ID)
	if err := f.UnassignAddresses(t.Context(), alice, i.ID, flow.IPv4, Assigned{Prefixes: got.Prefixes[1:]}); err != nil {
		t.Fatal(err)
	}
	if left := f.Read().Interfaces.Get(i.ID).Prefixes; len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}
