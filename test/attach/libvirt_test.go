// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/internal/testnet"
)

// libvirt plays libvirt: it runs the hook that is shipped, as libvirt does.
type libvirt struct {
	t    *testing.T
	path string // of programs; hedgeward-agent there knows its state folder
}

func newLibvirt(t *testing.T) *libvirt {
	t.Helper()
	l := &libvirt{t, t.TempDir()}
	agent := fmt.Sprintf("#!/bin/sh\nexec %s/hedgeward-agent --state %s \"$@\"\n", bin, here.hostState())
	if err := os.WriteFile(filepath.Join(l.path, "hedgeward-agent"), []byte(agent), 0o755); err != nil {
		t.Fatal(err)
	}
	return l
}

// hook runs the hook for a step of a guest's life and returns what it said.
func (l *libvirt) hook(guest, operation, sub, xml string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../packaging/libvirt/qemu", guest, operation, sub, "-")
	cmd.Env = []string{"PATH=" + l.path + ":/usr/bin:/bin", "LC_ALL=C"}
	cmd.Stdin = strings.NewReader(xml)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// succeeds runs the hook and wants libvirt to go on.
func (l *libvirt) succeeds(operation, sub, xml string) {
	l.t.Helper()
	if said, err := l.hook("guest", operation, sub, xml); err != nil {
		l.t.Errorf("%s %s: %v: %s", operation, sub, err, said)
	}
}

// refuses runs the hook and wants libvirt to be kept from going on, with these words.
func (l *libvirt) refuses(operation, sub, xml, want string) {
	l.t.Helper()
	said, err := l.hook("guest", operation, sub, xml)
	if _, ended := err.(*exec.ExitError); !ended || !strings.Contains(said, want) {
		l.t.Errorf("%s %s: %v: %s; want …%s…", operation, sub, err, said, want)
	}
}

// domain is the XML of a guest with these machines' taps, and marks of ours.
func domain(bridge, marks string, machines ...*machine) string {
	devices := ""
	for _, m := range machines {
		devices += fmt.Sprintf("<interface type='bridge'><mac address='%s'/><source bridge='%s'/><target dev='%s'/><model type='virtio'/></interface>", m.mac, bridge, m.tap)
	}
	return fmt.Sprintf("<domain type='kvm' id='3'><name>guest</name><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>"+
		"<metadata><hw:interfaces xmlns:hw='urn:hedgeward:libvirt:1'>%s</hw:interfaces></metadata><devices>%s</devices></domain>", marks, devices)
}

// TestADomainOfLibvirts starts, runs and ends as libvirt has its hook know it, with an
// interface that exists and one that is made.
func TestADomainOfLibvirts(t *testing.T) {
	w, host, l := here.world(t, "10.89.3.0/24"), testnet.Host(t), newLibvirt(t)
	group := w.group("guests")
	made, err := w.api.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &w.subnet, Groups: []string{group}, PrivateIpAddress: aws.String("10.89.3.20")})
	if err != nil {
		t.Fatal(err)
	}
	eni := *made.NetworkInterface.NetworkInterfaceId
	one, two := w.machine(host, "vnet0", 20), w.machine(host, "vnet1", 21)
	from := w.bridge(host, "virbr0", "vnet0", "vnet1").String() + "/32"
	marks := fmt.Sprintf("<hw:interface mac='%s' eni='%s'/>", one.mac, eni)
	both := marks + fmt.Sprintf("<hw:interface mac='%s' subnet='%s' groups='guests' addresses='10.89.3.21'/>", two.mac, w.subnet)
	xml := domain("virbr0", both, one, two)

	l.refuses("start", "begin", domain("virbr0", marks, one, two), "would be judged by nobody")
	l.refuses("start", "begin", domain("virbr0", marks+fmt.Sprintf("<hw:interface mac='%s' subnet='%s' groups='nobodys'/>", two.mac, w.subnet), one, two), "'nobodys' does not exist")
	if left := here.attached(t); len(left) > 0 {
		t.Fatalf("a refused start leaves %+v", left)
	}
	l.succeeds("prepare", "begin", xml)
	l.succeeds("start", "begin", xml)
	for _, m := range []*machine{one, two} {
		m.wants("started", host, false)
	}
	l.succeeds("started", "begin", xml)
	w.allow(group, 80, from)
	for _, m := range []*machine{one, two} {
		m.wants("allowed", host, true)
		if i, err := w.local().At(t.Context(), m.tap); err != nil || i == nil || i.For != "libvirt/4dea22b3-1d52-d8f3-2516-782e98ab3fa0/"+m.mac.String() {
			t.Errorf("%s is attached as %+v, %v", m.tap, i, err)
		}
	}

	here.killAgent(t)
	l.succeeds("reconnect", "begin", xml) // libvirt was restarted: the machine goes on
	one.wants("without an agent", host, true)
	l.refuses("start", "begin", strings.Replace(xml, "4dea22b3", "4dea22b4", 1), "start hedgeward")
	here.reviveAgent(t)
	l.succeeds("reconnect", "begin", xml)
	l.refuses("migrate", "begin", xml, "shut it down there and start it here")

	w.command(t, "detach", "--eni", eni)
	other, err := w.local().AttachNew(t.Context(), attach.Request{Device: one.tap, Subnet: w.subnet})
	if err != nil {
		t.Fatal(err)
	}
	l.refuses("reconnect", "begin", xml, other.ENI) // somebody else's interface is at its tap
	w.command(t, "detach", "--eni", other.ENI)

	one.Stop()
	two.Stop()
	l.succeeds("stopped", "end", xml)
	l.succeeds("release", "end", xml)
	if left := here.attached(t); len(left) > 0 {
		t.Errorf("when it has ended, %+v is left", left)
	}
	if left := w.interfaces(); len(left) != 1 || *left[0].NetworkInterfaceId != eni || left[0].Attachment != nil {
		t.Errorf("the API shows %+v", left)
	}

	// The next start has taps of other names.
	one = w.machine(host, "vnet2", 20)
	w.bridge(host, "virbr1", "vnet2")
	l.succeeds("start", "begin", domain("virbr1", marks, one))
	l.succeeds("stopped", "end", domain("virbr1", marks, one))
}
