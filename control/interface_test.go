// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// sameAddress lets cmp compare what it cannot look into.
var sameAddress = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func addrs(text ...string) []netip.Addr {
	var out []netip.Addr
	for _, t := range text {
		out = append(out, netip.MustParseAddr(t))
	}
	return out
}

func TestCreateNetworkInterface(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "2001:db8:0:1::/64")
	groups := f.groups(n.vpc.ID, 2)
	i := f.create(InterfaceSpec{
		Subnet: n.subnet.ID, Groups: []string{groups[1], groups[0], groups[1]}, Description: "d",
		Addressing: Addressing{
			Primary: netip.MustParseAddr("10.0.0.9"), Secondary: addrs("10.0.0.7"), MoreIPv4: 1,
			IPv6: addrs("2001:db8:0:1::9"), MoreIPv6: new(1),
		},
		Tracking: &secgroup.Tracking{UDP: 40}, Tags: secgroup.Tags{{Key: "k", Value: "v"}},
	})
	if d := cmp.Diff(i, f.Read().Interfaces.Get(i.ID), sameAddress); d != "" {
		t.Errorf("stored otherwise than answered: %s", d)
	}
	want := &secgroup.Interface{
		Scope: f.Scope, ID: i.ID, VPC: n.vpc.ID, Subnet: n.subnet.ID, MAC: i.MAC, Description: "d",
		Addresses: append(addrs("10.0.0.9", "10.0.0.7"), i.Addresses[2]), IPv6: append(addrs("2001:db8:0:1::9"), i.IPv6[1]),
		Groups: []string{groups[1], groups[0]}, SourceDestCheck: true, Tracking: &secgroup.Tracking{UDP: 40},
		Tags: secgroup.Tags{{Key: "k", Value: "v"}}, Created: testNow,
	}
	if d := cmp.Diff(want, i, sameAddress); d != "" {
		t.Error(d)
	}
	if !strings.HasPrefix(i.MAC, "02:") || !n.subnet.CIDR.Contains(i.Addresses[2]) || !n.subnet.IPv6.Prefix.Contains(i.IPv6[1]) {
		t.Errorf("chose %s, %s, %s", i.MAC, i.Addresses[2], i.IPv6[1])
	}
}

func TestInterfaceAddresses(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "2001:db8:0:1::/64")
	count := func(ipv4, ipv6 int, what string, a Addressing) {
		t.Helper()
		i := f.create(InterfaceSpec{Subnet: n.subnet.ID, Addressing: a})
		if len(i.Addresses) != ipv4 || len(i.IPv6) != ipv6 {
			t.Errorf("%s: %v and %v", what, i.Addresses, i.IPv6)
		}
	}
	count(1, 0, "nothing asked for", Addressing{})
	count(3, 0, "two more", Addressing{MoreIPv4: 2})
	f.edit(func(tx *model.Tx) { s := *n.subnet; s.AssignIPv6OnCreate = true; tx.Subnets.Put(&s) })
	count(1, 1, "subnet assigns IPv6", Addressing{})
	count(1, 0, "none wanted all the same", Addressing{MoreIPv6: new(0)})
	count(1, 1, "one address", Addressing{IPv6: addrs("2001:db8:0:1::77")})
	f.edit(func(tx *model.Tx) { s := *n.subnet; s.CIDR, s.IPv6Native = netip.Prefix{}, true; tx.Subnets.Put(&s) })
	count(0, 1, "IPv6-only subnet", Addressing{})
}

func TestASubnetFillsUp(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/28", "")
	seen := map[netip.Addr]bool{}
	macs := map[string]bool{}
	for range 11 {
		i := f.create(InterfaceSpec{Subnet: n.subnet.ID})
		seen[i.Addresses[0]] = true
		macs[i.MAC] = true
	}
	for last := 4; last <= 14; last++ {
		if !seen[netip.AddrFrom4([4]byte{10, 0, 0, byte(last)})] {
			t.Errorf("10.0.0.%d was never given out", last)
		}
	}
	if len(macs) != 11 {
		t.Errorf("%d hardware addresses on 11 interfaces", len(macs))
	}
	_, err := f.CreateNetworkInterface(t.Context(), f.Caller, InterfaceSpec{Subnet: n.subnet.ID}, ClientToken{})
	refused(t, err, "InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses to satisfy the request.")
}

func TestAddressesAreUniqueUnderConcurrency(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/26", "2001:db8:0:1::/64")
	const room, callers = 64 - 5, 80
	made := make([]*secgroup.Interface, callers)
	var wait sync.WaitGroup
	for c := range callers {
		wait.Go(func() {
			made[c], _ = f.CreateNetworkInterface(t.Context(), f.Caller,
				InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{MoreIPv6: new(1)}}, ClientToken{})
		})
	}
	wait.Wait()
	seen := map[string]bool{}
	count := 0
	for _, i := range made {
		if i != nil {
			count++
			seen[i.Addresses[0].String()], seen[i.IPv6[0].String()], seen[i.MAC] = true, true, true
		}
	}
	if count != room || len(seen) != 3*room || f.Read().Interfaces.Len() != room {
		t.Errorf("%d interfaces with %d different addresses, %d stored; want %d", count, len(seen), f.Read().Interfaces.Len(), room)
	}
}

func TestCreateNetworkInterfaceRefuses(t *testing.T) {
	f := newNetworks(t, Config{Quotas: Quotas{InterfacesPerRegion: 2}})
	n, other := f.network("10.0.0.0/24", ""), f.network("10.0.0.0/24", "2001:db8:0:1::/64")
	six := f.groups(n.vpc.ID, 6)
	f.create(InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{Primary: netip.MustParseAddr("10.0.0.16")}})
	abroad := f.Caller
	abroad.Region = "eu-west-1"
	at := func(a string) InterfaceSpec {
		return InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{Primary: netip.MustParseAddr(a)}}
	}
	many := make(secgroup.Tags, 51)
	for _, c := range []struct {
		name   string
		caller Caller
		spec   InterfaceSpec
		want   string
	}{
		{"API-InvalidSubnetID.NotFound", f.Caller, InterfaceSpec{Subnet: "subnet-00000000"}, "InvalidSubnetID.NotFound: The subnet ID 'subnet-00000000' does not exist"},
		{"another Region's subnet", abroad, InterfaceSpec{Subnet: n.subnet.ID}, "InvalidSubnetID.NotFound: The subnet ID '" + n.subnet.ID + "' does not exist"},
		{"API-I2", f.Caller, InterfaceSpec{Subnet: n.subnet.ID, Groups: []string{six[0], "sg-00000000"}}, "InvalidSecurityGroupID.NotFound: The securityGroup ID 'sg-00000000' does not exist"},
		{"API-I3", f.Caller, InterfaceSpec{Subnet: n.subnet.ID, Groups: six}, "InvalidParameterValue: user 111122223333 exceeded limit 5 on the number of interface security group memberships"},
		{"another VPC's group", f.Caller, InterfaceSpec{Subnet: other.subnet.ID, Groups: six[:1]}, "InvalidGroup.NotFound: You have specified two resources that belong to different networks."},
		{"outside", f.Caller, at("172.31.0.16"), "InvalidParameterValue: Address 172.31.0.16 does not fall within the subnet's address range"},
		{"reserved, third", f.Caller, at("10.0.0.3"), "InvalidParameterValue: Address 10.0.0.3 is in subnet's reserved address range"},
		{"reserved, last", f.Caller, at("10.0.0.255"), "InvalidParameterValue: Address 10.0.0.255 is in subnet's reserved address range"},
		{"API-InvalidIPAddress.InUse", f.Caller, at("10.0.0.16"), "InvalidIPAddress.InUse: The specified address is already in use"},
		{"twice", f.Caller, InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{Secondary: addrs("10.0.0.20", "10.0.0.20")}}, "InvalidParameterValue: Address 10.0.0.20 is specified more than once"},
		{"no IPv6 there", f.Caller, InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{MoreIPv6: new(1)}}, "InvalidParameterValue: The subnet does not have an IPv6 CIDR block associated"},
		{"IPv6 outside", f.Caller, InterfaceSpec{Subnet: other.subnet.ID, Addressing: Addressing{IPv6: addrs("2001:db8:0:2::5")}}, "InvalidParameterValue: Address 2001:db8:0:2::5 does not fall within the subnet's address range"},
		{"too many", f.Caller, InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{MoreIPv4: 50}}, "PrivateIpAddressLimitExceeded: Number of private addresses will exceed limit."},
		{"API-TagLimitExceeded", f.Caller, InterfaceSpec{Subnet: n.subnet.ID, Tags: many}, "TagLimitExceeded: The maximum number of Tags for a resource has been reached."},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.Read().Revision
			i, err := f.CreateNetworkInterface(t.Context(), c.caller, c.spec, ClientToken{})
			refused(t, err, c.want)
			if i != nil || f.Read().Revision != before {
				t.Error("it changed something")
			}
		})
	}
	f.create(InterfaceSpec{Subnet: other.subnet.ID, Addressing: Addressing{Primary: netip.MustParseAddr("10.0.0.16")}}) // another VPC's address space
	_, err := f.CreateNetworkInterface(t.Context(), f.Caller, InterfaceSpec{Subnet: n.subnet.ID}, ClientToken{})
	refused(t, err, "NetworkInterfaceLimitExceeded: The maximum number of network interfaces has been reached.")
}

// API-I1
func TestAnInterfaceWithoutGroupsHasTheDefaultGroup(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	if i := f.create(InterfaceSpec{Subnet: n.subnet.ID}); !slices.Equal(i.Groups, []string{n.vpc.DefaultGroup}) {
		t.Errorf("groups %v", i.Groups)
	}
}

// API-W7
func TestClientTokens(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	run := func(request string) (*secgroup.Interface, error) {
		return f.CreateNetworkInterface(t.Context(), f.Caller, InterfaceSpec{Subnet: n.subnet.ID}, ClientToken{"token", request})
	}
	first, err := run("a")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := run("a"); err != nil || again.ID != first.ID {
		t.Errorf("a repeated call made %v, %v", again, err)
	}
	_, err = run("b")
	refused(t, err, "IdempotentParameterMismatch: The request uses the same client token as a previous, but non-identical request.")

	f.clock.Advance(25 * time.Hour)
	if again, err := run("a"); err != nil || again.ID != first.ID {
		t.Errorf("a day later, the interface still there: %v, %v", again, err)
	}
	if err := f.PurgeTerminated(t.Context()); err != nil || f.Read().Tokens.Len() != 1 {
		t.Errorf("purged a token whose interface is there: %v", err)
	}
	if err := f.DeleteNetworkInterface(t.Context(), f.Caller, first.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.PurgeTerminated(t.Context()); err != nil || f.Read().Tokens.Len() != 0 {
		t.Errorf("kept a token that nobody needs: %v", err)
	}
	if again, err := run("b"); err != nil || again.ID == first.ID {
		t.Errorf("a day later, the interface gone: %v, %v", again, err)
	}
}

func TestModifyNetworkInterfaceAttribute(t *testing.T) {
	f := newNetworks(t, Config{})
	n, other := f.network("10.0.0.0/24", ""), f.network("10.1.0.0/24", "")
	six, foreign := f.groups(n.vpc.ID, 6), f.groups(other.vpc.ID, 1)
	i := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	modify := func(c InterfaceChange) error {
		return f.ModifyNetworkInterfaceAttribute(t.Context(), f.Caller, i.ID, c)
	}
	for _, c := range []InterfaceChange{
		{Groups: []string{six[2], six[0]}}, {SourceDestCheck: new(false)}, {Description: new("new")},
		{Tracking: &secgroup.Tracking{UDP: 40}}, {Tracking: &secgroup.Tracking{TCPEstablished: 90}},
	} {
		if err := modify(c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	want := *i
	want.Groups, want.SourceDestCheck, want.Description = []string{six[2], six[0]}, false, "new"
	want.Tracking = &secgroup.Tracking{UDP: 40, TCPEstablished: 90}
	if d := cmp.Diff(&want, f.Read().Interfaces.Get(i.ID), sameAddress); d != "" {
		t.Error(d)
	}
	refused(t, modify(InterfaceChange{Groups: six}), // API-I4
		"SecurityGroupsPerInterfaceLimitExceeded: The maximum number of security groups per interface has been reached.")
	refused(t, modify(InterfaceChange{Groups: foreign}), // API-I5
		"InvalidGroup.NotFound: You have specified two resources that belong to different networks.")
	refused(t, modify(InterfaceChange{Groups: []string{"sg-00000000"}}), "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist")
	refused(t, modify(InterfaceChange{Attachment: &AttachmentChange{ID: "eni-attach-00000000"}}), "InvalidAttachmentID.NotFound: The network interface attachment ID 'eni-attach-00000000' does not exist")
	f.edit(func(tx *model.Tx) { c := *tx.Interfaces.Get(i.ID); c.Requester = "appstream"; tx.Interfaces.Put(&c) })
	refused(t, modify(InterfaceChange{Description: new("x")}), "OperationNotPermitted: You do not have permission to access the specified resource.")
	refused(t, f.DeleteNetworkInterface(t.Context(), f.Caller, i.ID), "OperationNotPermitted: You do not have permission to access the specified resource.")
}

func TestDeleteNetworkInterface(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	i := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	if err := f.DeleteNetworkInterface(t.Context(), f.Caller, i.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, f.DeleteNetworkInterface(t.Context(), f.Caller, i.ID), "InvalidNetworkInterfaceID.NotFound: The networkInterface ID '"+i.ID+"' does not exist")
	_, err := Interfaces(f.Read(), f.Scope, "eni-00000001", i.ID)
	refused(t, err, "InvalidNetworkInterfaceID.NotFound: The networkInterface IDs 'eni-00000001, "+i.ID+"' do not exist")
}
