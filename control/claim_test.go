// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (f *networks) claim(host, id, device string) error {
	return f.ClaimInterface(f.t.Context(), host, id, ClaimedDevice{Name: device})
}

func (f *networks) iface(id string) *secgroup.Interface { return f.Read().Interfaces.Get(id) }

func TestAClaimIsHeldByOneHostForOneDevice(t *testing.T) {
	f := newNetworks(t, Config{Host: "h1"})
	n := f.network("10.0.0.0/24", "")
	i, other := f.create(InterfaceSpec{Subnet: n.subnet.ID}), f.create(InterfaceSpec{Subnet: n.subnet.ID})
	f.ok(f.claim("h1", i.ID, "tap0"))
	first := f.iface(i.ID).Attachment
	if c := first.Claim; c == nil || *c != (secgroup.Claim{Host: "h1", Device: "tap0"}) || first.Instance != "" || !first.Attached.Equal(testNow) {
		t.Fatalf("stored as %+v", first)
	}
	if !secgroup.WellFormed(secgroup.ClaimPrefix, first.ID) {
		t.Errorf("attachment %s", first.ID)
	}
	f.ok(f.claim("h1", i.ID, "tap0"))
	if again := f.iface(i.ID).Attachment; again.ID != first.ID {
		t.Errorf("a repeated claim made attachment %s anew", again.ID)
	}

	const use = "InvalidNetworkInterface.InUse: Interface: ["
	refused(t, f.claim("h2", i.ID, "tap0"), use+i.ID+"] in use. Host h1 has claimed it for device tap0.")
	refused(t, f.claim("h1", i.ID, "tap1"), use+i.ID+"] in use. Host h1 has claimed it for device tap0.")
	refused(t, f.claim("h1", other.ID, "tap0"), "InvalidParameterValue: Device tap0 of host h1 is interface "+i.ID+".")
	f.ok(f.claim("h2", other.ID, "tap0"))
	refused(t, f.claim("h1", "eni-00000000", "tap9"), "InvalidNetworkInterfaceID.NotFound: The networkInterface ID 'eni-00000000' does not exist")
	for _, bad := range []string{"", "..", "a/b", "a b", "sixteen-bytes-xx"} {
		refused(t, f.claim("h1", i.ID, bad), errDeviceName.Error())
	}
	for _, bad := range []string{"01:00:00:00:00:01", "00:00:00:00:00:00"} {
		mac, _ := net.ParseMAC(bad)
		refused(t, f.ClaimInterface(t.Context(), "h1", i.ID, ClaimedDevice{Name: "tap0", MAC: mac}), errDeviceMAC.Error())
	}
}

// TestAClaimedInterfaceIsInUse asks for everything that takes an interface away
// from who has it, and for what looks at the instance that it has not.
func TestAClaimedInterfaceIsInUse(t *testing.T) {
	f := newNetworks(t, Config{Host: "h1"})
	n := f.joined("10.0.0.0/24")
	i := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	in := f.run(launchIn(n.subnet.ID))[0]
	f.report(in.ID, secgroup.Running, "")
	refused(t, f.claim("h1", Attached(f.Read(), in.ID)[0].ID, "tap0"), inUse(Attached(f.Read(), in.ID)[0].ID).Error())

	f.ok(f.claim("h1", i.ID, "tap0"))
	for what, err := range map[string]error{
		"a claim of an instance's":    f.claim("h1", Attached(f.Read(), in.ID)[0].ID, "tap0"),
		"a claim of another host's":   f.claim("h2", i.ID, "tap0"),
		"a release of another host's": f.ReleaseInterface(t.Context(), "h2", i.ID),
	} {
		if !errors.Is(err, ErrNotOnHost) { // whoever speaks for a host notes it
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := f.claim("h1", i.ID, "tap1"); err == nil || errors.Is(err, ErrNotOnHost) {
		t.Errorf("the host's own interface at another device: %v", err)
	}
	refused(t, f.DeleteNetworkInterface(t.Context(), f.Caller, i.ID), "InvalidParameterValue: Network interface '"+i.ID+"' is currently in use.")
	_, err := f.AttachNetworkInterface(t.Context(), f.Caller, i.ID, in.ID, 1)
	refused(t, err, inUse(i.ID).Error())
	_, err = f.RunInstances(t.Context(), f.Caller, Launch{Image: "ami-netns", Min: 1, Max: 1, Interfaces: []LaunchInterface{{Existing: i.ID}}})
	refused(t, err, inUse(i.ID).Error())
	refused(t, f.ModifyNetworkInterfaceAttribute(t.Context(), f.Caller, i.ID, InterfaceChange{
		Attachment: &AttachmentChange{ID: f.iface(i.ID).Attachment.ID, DeleteOnTermination: true},
	}), errForeignAttachment.Error())

	// Groups and addresses change as of any interface; no instance type limits them.
	f.ok(f.ModifyNetworkInterfaceAttribute(t.Context(), f.Caller, i.ID, InterfaceChange{Groups: f.groups(n.vpc.ID, 1)}))
	if _, err := f.AssignAddresses(t.Context(), f.Caller, i.ID, Assignment{Further: 40}); err != nil {
		t.Error(err)
	}
	e := f.allocate()
	association, err := f.AssociateAddress(t.Context(), f.Caller, AddressRef{Allocation: e.ID}, AddressTarget{Interface: i.ID})
	f.ok(err)
	f.ok(f.DisassociateAddress(t.Context(), f.Caller, association, netip.Addr{}))
}

// TestAClaimSaysWhatItIsFor: who says something else gets neither the interface nor
// one made for the device, who says nothing means what is there.
func TestAClaimSaysWhatItIsFor(t *testing.T) {
	f := newNetworks(t, Config{Host: "h1"})
	n := f.network("10.0.0.0/24", "")
	i, spec := f.create(InterfaceSpec{Subnet: n.subnet.ID}), InterfaceSpec{Subnet: n.subnet.ID}
	made := func(d ClaimedDevice) error {
		_, err := f.ClaimNewInterface(t.Context(), "h1", spec, d)
		return err
	}
	f.ok(made(ClaimedDevice{Name: "veth0"}))
	veth := slices.Collect(f.Read().Interfaces.By(model.ByClaim, "h1"))[0].ID
	for _, c := range []struct {
		id, device string
		claim      func(ClaimedDevice) error
	}{
		{i.ID, "tap0", func(d ClaimedDevice) error { return f.ClaimInterface(t.Context(), "h1", i.ID, d) }},
		{veth, "veth0", made},
	} {
		for _, say := range []string{"", "vm/1", "vm/1", ""} { // what was not said can be said later
			f.ok(c.claim(ClaimedDevice{Name: c.device, For: say}))
		}
		attachment := f.iface(c.id).Attachment
		refused(t, c.claim(ClaimedDevice{Name: c.device, For: "vm/2"}),
			"InvalidNetworkInterface.InUse: Interface: ["+c.id+"] in use. Host h1 has claimed it for device "+c.device+" of vm/1.")
		if got := f.iface(c.id).Attachment; got.Claim.For != "vm/1" || got.ID != attachment.ID {
			t.Errorf("%s: claimed as %+v", c.device, got.Claim)
		}
		for _, bad := range []string{"two words", "naïve", strings.Repeat("x", 129)} {
			refused(t, c.claim(ClaimedDevice{Name: c.device, For: bad}), errDeviceFor.Error())
		}
	}
}

// TestAReleaseWaitsForTheHost keeps the interface in use until the host has said
// that nothing of it is in force.
func TestAReleaseWaitsForTheHost(t *testing.T) {
	f := newNetworks(t, Config{Host: "h1"})
	n := f.network("10.0.0.0/24", "")
	i := f.create(InterfaceSpec{Subnet: n.subnet.ID})
	f.ok(f.ReleaseInterface(t.Context(), "h1", i.ID)) // nobody's
	f.ok(f.claim("h1", i.ID, "tap0"))
	f.ok(f.ReportReleased(t.Context(), "h1", i.ID)) // nobody waits for it
	if f.iface(i.ID).Claimed() == nil {
		t.Fatal("a host's word ended a claim that was not given up")
	}
	refused(t, f.ReleaseInterface(t.Context(), "h2", i.ID), "InvalidNetworkInterface.InUse: Interface: ["+i.ID+"] in use. Host h1 has claimed it for device tap0.")
	for range 2 {
		f.ok(f.ReleaseInterface(t.Context(), "h1", i.ID))
	}
	if c := f.iface(i.ID).Claimed(); c == nil || !c.Releasing {
		t.Fatalf("given up, it is %+v", c)
	}
	refused(t, f.claim("h1", i.ID, "tap0"), "IncorrectState: Interface "+i.ID+" is being given back by host h1; try again when it is available.")
	refused(t, f.DeleteNetworkInterface(t.Context(), f.Caller, i.ID), "InvalidParameterValue: Network interface '"+i.ID+"' is currently in use.")
	f.ok(f.ReportReleased(t.Context(), "h2", i.ID))
	if f.iface(i.ID).Attachment == nil {
		t.Fatal("another host's word ended the claim")
	}
	for range 2 {
		f.ok(f.ReportReleased(t.Context(), "h1", i.ID))
	}
	if a := f.iface(i.ID).Attachment; a != nil {
		t.Errorf("still attached: %+v", a)
	}
	f.ok(f.DeleteNetworkInterface(t.Context(), f.Caller, i.ID))
	f.ok(f.ReportReleased(t.Context(), "h1", i.ID))
	refused(t, f.ReleaseInterface(t.Context(), "h1", i.ID), "InvalidNetworkInterfaceID.NotFound: The networkInterface ID '"+i.ID+"' does not exist")
}

func TestAClaimBringsItsMACAddress(t *testing.T) {
	f := newNetworks(t, Config{})
	n := f.network("10.0.0.0/24", "")
	i, other := f.create(InterfaceSpec{Subnet: n.subnet.ID}), f.create(InterfaceSpec{Subnet: n.subnet.ID})
	mac := net.HardwareAddr{0x52, 0x54, 0, 1, 2, 3}
	claim := func(id, device string) error {
		return f.ClaimInterface(t.Context(), "h1", id, ClaimedDevice{Name: device, MAC: mac})
	}
	f.ok(claim(i.ID, "tap0"))
	if got := f.iface(i.ID).MAC; got != mac.String() {
		t.Errorf("MAC address %s", got)
	}
	refused(t, claim(other.ID, "tap1"), "InvalidParameterValue: MAC address 52:54:00:01:02:03 is interface "+i.ID+"'s.")
	mac = net.HardwareAddr{0x52, 0x54, 0, 1, 2, 4}
	f.ok(claim(i.ID, "tap0")) // a restarted guest's
	if got := f.iface(i.ID).MAC; got != mac.String() {
		t.Errorf("MAC address %s after another claim", got)
	}
	f.ok(f.claim("h1", i.ID, "tap0"))
	if got := f.iface(i.ID).MAC; got != mac.String() {
		t.Errorf("a claim that says none made it %s", got)
	}
	var hosts []string
	for row := range f.Read().Interfaces.By(model.ByClaim, "h1") {
		hosts = append(hosts, row.ID)
	}
	if len(hosts) != 1 || hosts[0] != i.ID {
		t.Errorf("host h1 has claimed %v", hosts)
	}
}

// TestAnInterfaceMadeWithItsClaimGoesWithIt asks twice, as one does who was killed
// before it heard the answer.
func TestAnInterfaceMadeWithItsClaimGoesWithIt(t *testing.T) {
	f := newNetworks(t, Config{})
	n, elsewhere := f.network("10.0.0.0/24", ""), f.network("10.1.0.0/24", "")
	groups := f.groups(n.vpc.ID, 2)
	named := f.Read().Groups.Get(groups[1]).Name
	spec := InterfaceSpec{Subnet: n.subnet.ID, Groups: []string{groups[0], named}, Addressing: Addressing{Primary: netip.MustParseAddr("10.0.0.9")}}
	d := ClaimedDevice{Name: "veth7", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 7}}
	var ids []string
	for range 2 {
		id, err := f.ClaimNewInterface(t.Context(), "h1", spec, d)
		f.ok(err)
		ids = append(ids, id)
	}
	i := f.iface(ids[0])
	if ids[0] != ids[1] || i.MAC != d.MAC.String() || !slices.Equal(i.Groups, groups) || i.Addresses[0] != spec.Addressing.Primary || i.Claimed() == nil {
		t.Errorf("made %v: %+v", ids, i)
	}
	d.MAC[5] = 8
	if again, err := f.ClaimNewInterface(t.Context(), "h1", spec, d); err != nil || again != ids[0] || f.iface(again).MAC != d.MAC.String() {
		t.Errorf("with another MAC address: %s, %v", again, err)
	}
	const taken = "] in use. Host h1 has claimed it for device veth7."
	spec.Subnet = elsewhere.subnet.ID
	_, err := f.ClaimNewInterface(t.Context(), "h1", spec, d)
	refused(t, err, "InvalidNetworkInterface.InUse: Interface: ["+ids[0]+taken)
	spec.Subnet = n.subnet.ID
	d.Name = "veth8"
	_, err = f.ClaimNewInterface(t.Context(), "h1", spec, d)
	refused(t, err, "InvalidIPAddress.InUse: The specified address is already in use")
	spec.Groups, spec.Addressing = []string{"nobody"}, Addressing{}
	_, err = f.ClaimNewInterface(t.Context(), "h1", spec, d)
	refused(t, err, "InvalidSecurityGroupID.NotFound: The securityGroup ID 'nobody' does not exist")

	f.ok(f.ReleaseInterface(t.Context(), "h1", ids[0]))
	d.Name, spec.Groups = "veth7", nil
	_, err = f.ClaimNewInterface(t.Context(), "h1", spec, d)
	refused(t, err, "InvalidNetworkInterface.InUse: Interface: ["+ids[0]+taken)
	f.ok(f.ReportReleased(t.Context(), "h1", ids[0]))
	if i := f.iface(ids[0]); i != nil {
		t.Errorf("still there: %+v", i)
	}
	if id, err := f.ClaimNewInterface(t.Context(), "h1", spec, d); err != nil || id == ids[0] {
		t.Errorf("anew: %s, %v", id, err)
	}
}
