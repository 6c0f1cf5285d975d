// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machine is a domain as libvirt 9 gives it to its hook, shortened where nothing
// matters here; %s stand for our metadata and for the interfaces.
const machine = `<domain type='kvm' id='7' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>db &amp; web</name>
  <uuid>1b4e28ba-2fa1-11d2-883f-0016d3cca427</uuid>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0"><libosinfo:os id="http://debian.org/debian/12"/></libosinfo:libosinfo>
    %s
  </metadata>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><source file='/x'/><target dev='vda' bus='virtio'/></disk>
    %s
    <console type='pty'><source path='/dev/pts/1'/><target type='serial' port='0'/></console>
  </devices>
  <seclabel type='dynamic' model='dac' relabel='yes'/>
</domain>
`

const (
	bridged = `<interface type='bridge'><mac address='52:54:00:12:34:56'/><source bridge='br0'/><target dev='vnet0'/><model type='virtio'/><alias name='net0'/></interface>`
	ours    = `<hw:interfaces xmlns:hw="urn:hedgeward:libvirt:1">%s</hw:interfaces>`
)

// domain returns the XML of a machine.
func domain(marks, devices string) string {
	if marks != "" {
		marks = fmt.Sprintf(ours, marks)
	}
	return fmt.Sprintf(machine, marks, devices)
}

func TestADomainIsRead(t *testing.T) {
	for _, c := range []struct {
		marks, devices string
		want           Domain
	}{
		{"", bridged, Domain{Devices: []Device{{Kind: "bridge", MAC: "52:54:00:12:34:56", Target: "vnet0"}}}},
		{
			`<hw:interface mac="52:54:00:12:34:56" eni="eni-1"/><hw:interface mac="52:54:00:AB:34:57" subnet="subnet-1" groups="web, sg-1," addresses="10.0.1.20,2001:db8::20"/>`,
			bridged + `<interface type='network'><mac address='52:54:00:ab:34:57'/><source network='n' dev='eth0' mode='bridge'/><target dev='macvtap0'/></interface><interface type='user'><mac address='52:54:00:12:34:58'/></interface>`,
			Domain{
				Marked: true,
				Devices: []Device{
					{Kind: "bridge", MAC: "52:54:00:12:34:56", Target: "vnet0"}, {Kind: "network", MAC: "52:54:00:ab:34:57", Target: "macvtap0", Passed: true}, {Kind: "user", MAC: "52:54:00:12:34:58"},
				},
				Wanted: []Wanted{
					{MAC: "52:54:00:12:34:56", ENI: "eni-1"},
					{MAC: "52:54:00:ab:34:57", Subnet: "subnet-1", Groups: []string{"web", "sg-1"}, Addresses: []string{"10.0.1.20", "2001:db8::20"}},
				},
			},
		},
	} {
		got, err := Read(strings.NewReader(domain(c.marks, c.devices)))
		if err != nil {
			t.Fatal(err)
		}
		c.want.Name, c.want.UUID = "db & web", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
}

// refusals are texts that are no domain, or hostile, with what is said of them.
var refusals = []struct{ text, want string }{
	{"", "no domain with a name and a uuid"},
	{"<domain><name>x</name></domain>", "no domain with a name and a uuid"},
	{strings.Replace(domain("", ""), "1b4e28ba", "../../..", 1), "no domain with a name and a uuid"},
	{"<domain>", "unexpected EOF"},
	{`<!DOCTYPE lolz [<!ENTITY lol "lol">]><domain/>`, "document type"},
	{`<domain><name>&lol;</name></domain>`, "invalid character entity"},
	{strings.Repeat("<x>", maxDepth+1), "levels"},
	{domain("", strings.Repeat("<interface/>", maxDevices+1)), "interfaces"},
	{"<domain>" + strings.Repeat(" ", maxBytes), "bytes"},
	{domain(`<hw:interface mac="52:54:00:12:34:56" eni="eni-1"/><hw:interface mac="52:54:00:12:34:56" eni="eni-2"/>`, ""), "is there twice"},
	{domain(`<hw:interface mac="52-54-00-12-34-56" eni="eni-1"/>`, ""), "no MAC address as libvirt writes it"},
	{domain(`<hw:interface eni="eni-1"/>`, ""), "no MAC address"},
	{domain(`<hw:interface mac="52:54:00:12:34:56"/>`, ""), "wants eni="},
	{domain(`<hw:interface mac="52:54:00:12:34:56" eni="eni-1" subnet="subnet-1"/>`, ""), "wants eni="},
	{domain(`<hw:interface mac="52:54:00:12:34:56" eni="eni-1" groups="web"/>`, ""), "change them through the API"},
	{domain(`<hw:interface mac="52:54:00:12:34:56" eni="eni-1" group="web"/>`, ""), `no attribute "group"`},
	{domain(`<hw:interfaec mac="52:54:00:12:34:56" eni="eni-1"/>`, ""), "is not understood"},
	{domain("", `<interface><interfaces xmlns="urn:hedgeward:libvirt:1"/></interface>`), "is not understood"},
}

func TestWhatIsNoDomainIsRefused(t *testing.T) {
	for _, c := range refusals {
		if d, err := Read(strings.NewReader(c.text)); d != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80s: read as %+v, %v; want …%s…", c.text, d, err, c.want)
		}
	}
}

// FuzzRead: whatever comes in, there is a domain or an error, and what a domain wants
// is what could be asked for.
func FuzzRead(f *testing.F) {
	f.Add(domain("", bridged))
	f.Add(domain(`<hw:interface mac="52:54:00:12:34:56" subnet="subnet-1" groups="web" addresses="10.0.1.20"/>`, bridged))
	for _, c := range refusals {
		if len(c.text) < 1<<16 {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Read(strings.NewReader(text))
		if (d == nil) == (err == nil) {
			t.Fatalf("%+v, %v", d, err)
		}
		if d == nil {
			return
		}
		if len(d.Devices) > maxDevices || len(d.Wanted) > maxDevices || len(d.Wanted) > 0 && !d.Marked || !uuid.MatchString(d.UUID) {
			t.Errorf("%+v", d)
		}
		for _, w := range d.Wanted {
			if (w.ENI == "") == (w.Subnet == "") || len(w.MAC) != 17 {
				t.Errorf("%+v", w)
			}
		}
	})
}
