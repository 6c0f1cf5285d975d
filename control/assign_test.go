// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/secgroup"
)

func TestAssignAddresses(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	primary := Addressing{Primary: netip.MustParseAddr("10.0.0.10")}
	i := f.create(InterfaceSpec{Subnet: n.subnet.ID, Addressing: primary})
	other := f.create(InterfaceSpec{Subnet: n.subnet.ID, Addressing: Addressing{Primary: netip.MustParseAddr("10.0.0.20"), Secondary: addrs("10.0.0.21", "10.0.0.22")}})
	assign := func(a Assignment) ([]netip.Addr, error) {
		got, err := f.AssignAddresses(t.Context(), f.Caller, i.ID, a)
		return got.Addresses, err
	}
	have := func(id string, want ...string) {
		t.Helper()
		if got := f.Read().Interfaces.Get(id).Addresses; !slices.Equal(got, addrs(want...)) {
			t.Errorf("%s has %v, want %v", id, got, want)
		}
	}
	for text, want := range map[string]string{
		"10.0.1.1":   "InvalidParameterValue: Address 10.0.1.1 does not fall within the subnet's address range",
		"10.0.0.3":   "InvalidParameterValue: Address 10.0.0.3 is in subnet's reserved address range",
		"10.0.0.255": "InvalidParameterValue: Address 10.0.0.255 is in subnet's reserved address range",
		"10.0.0.21":  "InvalidIPAddress.InUse: The specified address is already in use",
	} {
		_, err := assign(Assignment{Addresses: addrs("10.0.0.30", text)})
		refused(t, err, want)
	}
	have(i.ID, "10.0.0.10") // all or nothing
	got, err := assign(Assignment{Addresses: addrs("10.0.0.11", "10.0.0.10")})
	if err != nil || !slices.Equal(got, addrs("10.0.0.11", "10.0.0.10")) {
		t.Errorf("assigned %v, %v", got, err)
	}
	have(i.ID, "10.0.0.10", "10.0.0.11")

	// Secondary addresses move, primary ones do not.
	_, err = assign(Assignment{Addresses: addrs("10.0.0.20"), Reassign: true})
	refused(t, err, "InvalidParameterValue: Address 10.0.0.20 is the primary address of interface "+other.ID+" and cannot be reassigned")
	if _, err = assign(Assignment{Addresses: addrs("10.0.0.21"), Reassign: true}); err != nil {
		t.Fatal(err)
	}
	have(other.ID, "10.0.0.20", "10.0.0.22")
	have(i.ID, "10.0.0.10", "10.0.0.11", "10.0.0.21")

	unassign := func(texts ...string) error {
		return f.UnassignAddresses(t.Context(), f.Caller, i.ID, flow.IPv4, Assigned{Addresses: addrs(texts...)})
	}
	refused(t, unassign("10.0.0.11", "10.0.0.10"), "InvalidParameterValue: Address 10.0.0.10 is the primary address of interface "+i.ID+" and cannot be unassigned")
	refused(t, unassign("10.0.0.11", "10.0.0.99"), "InvalidParameterValue: Some of the specified addresses are not assigned to interface "+i.ID)
	if err := unassign("10.0.0.11", "10.0.0.11"); err != nil {
		t.Error(err)
	}
	have(i.ID, "10.0.0.10", "10.0.0.21")

	if got, err = assign(Assignment{Further: 3}); err != nil || len(got) != 3 || len(f.Read().Interfaces.Get(i.ID).Addresses) != 5 {
		t.Errorf("assigned %v, %v", got, err)
	}
	_, err = assign(Assignment{Further: 46})
	refused(t, err, "PrivateIpAddressLimitExceeded: Number of private addresses will exceed limit.")
	_, err = assign(Assignment{Family: flow.IPv6, Further: 1})
	refused(t, err, "InvalidParameterValue: The subnet does not have an IPv6 CIDR block associated")
	_, err = f.AssignAddresses(t.Context(), f.Caller, "eni-00000000", Assignment{Further: 1})
	refused(t, err, "InvalidNetworkInterfaceID.NotFound: The networkInterface ID 'eni-00000000' does not exist")
}

func TestAssignIPv6Addresses(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "fd00:1::/64")
	l := launchIn(n.subnet.ID)
	l.Type = "t3.micro" // two addresses of each family
	in := f.run(l)[0]
	f.report(in.ID, secgroup.Running, "")
	i := Attached(f.Read(), in.ID)[0]
	assign := func(a Assignment) ([]netip.Addr, error) {
		a.Family = flow.IPv6
		got, err := f.AssignAddresses(t.Context(), f.Caller, i.ID, a)
		return got.Addresses, err
	}
	if _, err := assign(Assignment{Addresses: addrs("fd00:1::10")}); err != nil {
		t.Fatal(err)
	}
	got, err := assign(Assignment{Further: 1})
	if err != nil || len(got) != 1 || !n.subnet.IPv6.Prefix.Contains(got[0]) {
		t.Fatalf("assigned %v, %v", got, err)
	}
	_, err = assign(Assignment{Further: 1})
	refused(t, err, "PrivateIpAddressLimitExceeded: Number of private addresses will exceed limit.")
	_, err = f.AssignAddresses(t.Context(), f.Caller, i.ID, Assignment{Further: 2})
	refused(t, err, "PrivateIpAddressLimitExceeded: Number of private addresses will exceed limit.")
	if err := f.UnassignAddresses(t.Context(), f.Caller, i.ID, flow.IPv6, Assigned{Addresses: append(got, addrs("fd00:1::10")...)}); err != nil || len(f.Read().Interfaces.Get(i.ID).IPv6) != 0 {
		t.Errorf("unassign: %v, left %v", err, f.Read().Interfaces.Get(i.ID).IPv6)
	}
}

func TestRebootInstances(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	l := launchIn(n.subnet.ID)
	l.Min, l.Max = 2, 2
	in := f.run(l)
	reboot := func() error { return f.RebootInstances(t.Context(), f.Caller, in[0].ID, in[1].ID) }
	f.report(in[0].ID, secgroup.Running, "")
	refused(t, reboot(), "IncorrectInstanceState: The instance '"+in[1].ID+"' is not in a state from which it can be rebooted.")
	f.report(in[1].ID, secgroup.Running, "")
	if err := reboot(); err != nil {
		t.Fatal(err)
	}
	for _, was := range in {
		if now := f.Read().Instances.Get(was.ID); now.Reboots != 1 || now.State != secgroup.Running || now.Boots != 1 {
			t.Errorf("%+v", now)
		}
	}
	refused(t, f.RebootInstances(t.Context(), f.Caller, "i-00000000"), "InvalidInstanceID.NotFound: The instance ID 'i-00000000' does not exist")
}
