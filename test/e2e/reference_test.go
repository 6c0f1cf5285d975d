// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestGroupAsPeer has db admit the members of web: who joins gets in at once,
// who leaves keeps what is open and gets nothing new
// (docs/spec/packet-semantics.md sections 1.5 and 2.5).
func TestGroupAsPeer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "eu-west-1", "10.1.0.0/16")
	web, db, other := w.group("web"), w.group("db"), w.group("other")
	w.allow(db, permission("tcp", 5432, 5432, web))
	g := w.run(web, db, other)
	member, server, guest := g[0], g[1], g[2]
	server.listen(t, 5432, 5433)
	member.listen(t, 5432)

	asks := connects(guest, "tcp", server.ip, 5432)
	check(t, "only web is a member", connects(member, "tcp", server.ip, 5432),
		dropped(asks), dropped(connects(member, "tcp", server.ip, 5433)),
		dropped(connects(member, "udp", server.ip, 5432)), dropped(connects(server, "tcp", member.ip, 5432)))

	w.join(guest, other, web)
	w.s.Settle(t)
	check(t, "other has joined", asks)
	kept := talk(t, guest, "tcp", server.ip, 5432, "")

	w.join(guest, other)
	w.s.Settle(t)
	check(t, "other has left", dropped(asks), kept.goesOn(), connects(member, "tcp", server.ip, 5432))

	// A rule that names a group speaks of addresses: the same from a range.
	w.allow(db, permission("tcp", 5432, 5432, guest.ip+"/32"))
	w.s.Settle(t)
	check(t, "admitted by address", asks)

	for _, g := range []string{web, db} {
		_, err := w.api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &g})
		rig.WantCode(t, "delete a group in use", err, "DependencyViolation")
	}
	w.terminate(member)
	_, err := w.api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &web})
	rig.WantCode(t, "delete a group that a rule names", err, "DependencyViolation")
	w.revoke(db, permission("tcp", 5432, 5432, web))
	if _, err := w.api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &web}); err != nil {
		t.Errorf("delete a group that nothing names: %v", err)
	}
}

// TestDefaultGroupAdmitsItself covers a VPC's default group: its members reach
// each other over every protocol, and nobody else reaches them.
func TestDefaultGroupAdmitsItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "eu-west-2", "10.2.0.0/16")
	a := w.launch(&ec2.RunInstancesInput{SubnetId: &w.subnet})
	b := w.launch(&ec2.RunInstancesInput{SubnetId: &w.subnet})
	w.awaitRunning(a, b)
	a.enter(t)
	b.enter(t)
	stranger := w.run(w.group("stranger"))[0]
	b.listen(t, 80)
	stranger.listen(t, 80)

	check(t, "members and a stranger", connects(a, "tcp", b.ip, 80), connects(a, "udp", b.ip, 80), pings(a, b.ip, 1), pings(b, a.ip, 1),
		dropped(connects(stranger, "tcp", b.ip, 80)), dropped(pings(stranger, b.ip, 1)), dropped(connects(a, "tcp", stranger.ip, 80)))

	// Another server, Region or VPC has the same addresses and nothing else in
	// common.
	twin := newWorld(t, w.s, "eu-west-3", "10.2.0.0/16")
	far := twin.launch(&ec2.RunInstancesInput{SubnetId: &twin.subnet, PrivateIpAddress: &a.ip})
	twin.awaitRunning(far)
	far.enter(t)
	check(t, "from another VPC", dropped(connects(far, "tcp", b.ip, 80)), dropped(pings(far, b.ip, 1)))
}

// TestSecondInterfaceIsJudgedOnItsOwn attaches an interface with a group of its
// own as eth1: groups belong to interfaces, not to instances.
func TestSecondInterfaceIsJudgedOnItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "eu-central-1", "10.3.0.0/16")
	front, back, out := w.group("front"), w.group("back"), w.group("out")
	w.allow(front, permission("tcp", 80, 80, anywhere))
	w.allow(back, permission("tcp", 5432, 5432, anywhere))
	second, err := w.api.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &w.subnet, Groups: []string{back}})
	if err != nil {
		t.Fatal(err)
	}
	eth1 := second.NetworkInterface
	server := w.launch(&ec2.RunInstancesInput{InstanceType: types.InstanceTypeT3Small, NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{
		{DeviceIndex: aws.Int32(0), SubnetId: &w.subnet, Groups: []string{front}},
		{DeviceIndex: aws.Int32(1), NetworkInterfaceId: eth1.NetworkInterfaceId},
	}})
	w.awaitRunning(server)
	server.enter(t)
	server.listen(t, 80, 5432)
	guest := w.run(out)[0]

	// Replies leave by the interface they came in by: the guest has one address,
	// and each of the server's has a table of its own for it.
	for dev, ip := range map[string]string{"eth0": server.ip, "eth1": *eth1.PrivateIpAddress} {
		table := "10" + strings.TrimPrefix(dev, "eth")
		w.inside(server, "ip", "route", "add", "10.3.1.0/24", "dev", dev, "src", ip, "table", table)
		w.inside(server, "ip", "rule", "add", "from", ip, "table", table)
	}
	probes := []probe{
		connects(guest, "tcp", server.ip, 80), dropped(connects(guest, "tcp", server.ip, 5432)),
		connects(guest, "tcp", *eth1.PrivateIpAddress, 5432), dropped(connects(guest, "tcp", *eth1.PrivateIpAddress, 80)),
	}
	check(t, "each interface has its groups", probes...)

	_, err = w.api.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: &server.id, Groups: []string{out}})
	rig.WantCode(t, "groups of an instance with two interfaces", err, "InvalidInstanceID")
	_, err = w.api.ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: eth1.NetworkInterfaceId, Groups: []string{front}})
	if err != nil {
		t.Fatal(err)
	}
	w.s.Settle(t)
	check(t, "eth1 has the groups of eth0", probes[0], probes[1],
		dropped(connects(guest, "tcp", *eth1.PrivateIpAddress, 5432)), connects(guest, "tcp", *eth1.PrivateIpAddress, 80))

	_, err = w.api.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: eth1.NetworkInterfaceId})
	rig.WantCode(t, "delete an attached interface", err, "InvalidParameterValue")
}

// TestSourceDestCheck sends from an address that is not the interface's: dropped
// while the check is on, judged as any other packet when it is off
// (docs/spec/packet-semantics.md section 5).
func TestSourceDestCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "eu-north-1", "10.4.0.0/16")
	listens := w.group("listens")
	w.allow(listens, permission("udp", 53, 54, "10.4.0.0/16"))
	g := w.run(w.group("router"), listens)
	router, server := g[0], g[1]
	heard := server.listen(t, 53, 54)

	const foreign = "10.4.77.7"
	w.inside(router, "ip", "address", "add", foreign+"/32", "dev", "eth0")
	send := func(port int) probe { // nothing comes back: nobody has the address
		p := dropped(connects(router, "udp", server.ip, port))
		p.order.Local = foreign + ":0"
		return p
	}
	hears := func(port int) probe {
		return probe{from: server, order: order{Do: "heard", Socket: heard[port], Address: foreign}, want: open}
	}
	check(t, "check on", send(53), dropped(hears(53)), connects(router, "udp", server.ip, 53))

	setCheck := func(on bool) {
		t.Helper()
		_, err := w.api.ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: &router.eni, SourceDestCheck: &types.AttributeBooleanValue{Value: &on},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.s.Settle(t)
	}
	setCheck(false)
	check(t, "check off", send(53), hears(53))
	w.revoke(listens, permission("udp", 53, 54, "10.4.0.0/16"))
	w.allow(listens, permission("udp", 54, 54, router.ip+"/32"))
	w.s.Settle(t)
	check(t, "check off, groups in force", send(54), dropped(hears(54)), connects(router, "udp", server.ip, 54))
	setCheck(true)
	if got := w.describe(router); !aws.ToBool(got.SourceDestCheck) {
		t.Errorf("sourceDestCheck of %s is shown as off", router.id)
	}
}

// inside runs a command in an instance and wants it to succeed.
func (w *world) inside(g *guest, command ...string) string {
	w.t.Helper()
	return w.s.Command(w.t, append([]string{"exec", g.id, "--"}, command...)...)
}
