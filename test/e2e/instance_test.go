// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestStopAndStart stops an instance and starts it again: addresses, interfaces
// and groups are kept, programs and flows are not, and user data has run once
// (docs/instances.md).
func TestStopAndStart(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	w := newWorld(t, s, "us-east-1", "10.9.0.0/16")
	web := w.group("web")
	w.allow(web, permission("tcp", 80, 80, "10.9.0.0/16"))
	w.allow(web, permission("icmp", 8, -1, "10.9.0.0/16"))

	diary := filepath.Join(s.State, "diary")
	script := "#!/bin/sh\necho booted $HOSTNAME >> " + diary + "\necho said\n"
	server := w.launch(&ec2.RunInstancesInput{
		SubnetId: &w.subnet, SecurityGroupIds: []string{web}, UserData: aws.String(base64.StdEncoding.EncodeToString([]byte(script))),
	})
	guest := w.run(w.group("guest"))[0]
	w.awaitRunning(server)
	server.enter(t)
	server.listen(t, 80)
	asks := connects(guest, "tcp", server.ip, 80)
	check(t, "first boot", asks)
	kept := talk(t, guest, "tcp", server.ip, 80, "")
	before := w.describe(server)
	if before.State.Name != types.InstanceStateNameRunning {
		t.Errorf("state is %s", before.State.Name)
	}

	w.stop(server)
	stopped := w.describe(server)
	if diff := cmp.Diff(before.NetworkInterfaces, stopped.NetworkInterfaces, cmpopts.IgnoreUnexported(
		types.InstanceNetworkInterface{}, types.GroupIdentifier{}, types.InstanceNetworkInterfaceAttachment{},
		types.InstancePrivateIpAddress{}, types.OperatorResponse{})); diff != "" {
		t.Errorf("stopped, -before +after:\n%s", diff)
	}
	check(t, "stopped", dropped(asks), dropped(kept.goesOn()), dropped(pings(guest, server.ip, 1)))
	if out, status, err := rig.Run("exec", server.id, "--", "true"); err != nil || status != 1 || !strings.Contains(out, server.id+" does not run") {
		t.Errorf("exec in a stopped instance: status %d, %v: %s", status, err, out)
	}
	_, err := w.api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &web})
	rig.WantCode(t, "delete the group of a stopped instance", err, "DependencyViolation")

	// Groups change while it is stopped, and are in force when it starts.
	other := w.group("other")
	w.allow(other, permission("tcp", 81, 81, "10.9.0.0/16"))
	w.join(server, other)
	if _, err := w.api.StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{server.id}}); err != nil {
		t.Fatal(err)
	}
	w.awaitRunning(server)
	after := w.describe(server)
	if aws.ToString(after.PrivateIpAddress) != server.ip || *after.NetworkInterfaces[0].MacAddress != *before.NetworkInterfaces[0].MacAddress {
		t.Errorf("started with %s %s, had %s %s", *after.PrivateIpAddress, *after.NetworkInterfaces[0].MacAddress, server.ip, *before.NetworkInterfaces[0].MacAddress)
	}
	server.enter(t)
	server.listen(t, 80, 81)
	check(t, "started again", connects(guest, "tcp", server.ip, 81), dropped(asks), dropped(pings(guest, server.ip, 1)), dropped(kept.goesOn()))

	// Nothing to be done is not an error.
	if _, err := w.api.StartInstances(t.Context(), &ec2.StartInstancesInput{InstanceIds: []string{server.id}}); err != nil {
		t.Errorf("start a running instance: %v", err)
	}
	s.Interrupt(t)
	s.Start(t)
	w.reconnect()
	s.Settle(t)
	if got, err := os.ReadFile(diary); err != nil || string(got) != "booted ip-"+strings.ReplaceAll(server.ip, ".", "-")+"\n" {
		t.Errorf("user data, after two boots and two servers, wrote %q, %v; want one line", got, err)
	}
	said, err := os.ReadFile(filepath.Join(s.State, "instances", server.id, "user-data.log"))
	if err != nil || string(said) != "said\n" {
		t.Errorf("user data printed %q, %v", said, err)
	}
}

// TestTerminate takes an instance away: interfaces made for it go, unless they
// are to stay, and their groups can be deleted at once.
func TestTerminate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "ca-central-1", "10.10.0.0/16")
	web := w.group("web")
	doomed := w.launch(&ec2.RunInstancesInput{InstanceType: types.InstanceTypeT3Small, NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{
		{DeviceIndex: aws.Int32(0), SubnetId: &w.subnet, Groups: []string{web}},
		{DeviceIndex: aws.Int32(1), SubnetId: &w.subnet, Groups: []string{web}, DeleteOnTermination: aws.Bool(false)},
	}})
	w.awaitRunning(doomed)
	if got := w.inside(doomed, "ls", "/sys/class/net"); got != "eth0\neth1\nlo\n" {
		t.Errorf("interfaces inside: %q", got)
	}
	if _, status, err := rig.Run("exec", doomed.id, "--", "sh", "-c", "exit 7"); err != nil || status != 7 {
		t.Errorf("exec ends with status %d, %v; want the command's 7", status, err)
	}
	var keeps string
	for _, i := range w.describe(doomed).NetworkInterfaces {
		if *i.Attachment.DeviceIndex == 1 {
			keeps = *i.NetworkInterfaceId
		}
	}
	w.terminate(doomed)
	gone := w.describe(doomed)
	if gone.SubnetId != nil || len(gone.SecurityGroups) > 0 || len(gone.NetworkInterfaces) > 0 || gone.PrivateIpAddress != nil {
		t.Errorf("a terminated instance shows %+v", gone)
	}
	_, err := w.api.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{doomed.eni}})
	rig.WantCode(t, "describe the interface that went", err, "InvalidNetworkInterfaceID.NotFound")
	left, err := w.api.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{keeps}})
	if err != nil || left.NetworkInterfaces[0].Status != types.NetworkInterfaceStatusAvailable || left.NetworkInterfaces[0].Attachment != nil {
		t.Fatalf("the interface that was to stay: %+v, %v", left, err)
	}
	ip := *left.NetworkInterfaces[0].PrivateIpAddress
	for _, step := range []struct {
		what string
		want string
	}{{"with an interface", "DependencyViolation"}, {"without", ""}} {
		_, err := w.api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &web})
		rig.WantCode(t, "delete a group "+step.what, err, step.want)
		if step.want == "" {
			break
		}
		// The interface goes into the next instance with its address, and with it.
		heir := w.launch(&ec2.RunInstancesInput{NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{
			{DeviceIndex: aws.Int32(0), NetworkInterfaceId: &keeps},
		}})
		w.awaitRunning(heir)
		if got := w.inside(heir, "ip", "-br", "-4", "address", "show", "eth0"); !strings.Contains(got, ip+"/24") {
			t.Errorf("the heir of %s has %q", ip, got)
		}
		w.terminate(heir)
		if _, err := w.api.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &keeps}); err != nil {
			t.Fatalf("delete an interface that is free: %v", err)
		}
	}
	for _, path := range []string{
		"/run/netns/hedgeward-" + doomed.id, "/sys/class/net/hw" + doomed.eni[len(doomed.eni)-13:], filepath.Join(w.s.State, "instances", doomed.id),
	} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left of a terminated instance", path)
		}
	}
	// An instance's address is free again, and belongs to nobody meanwhile.
	again := w.launch(&ec2.RunInstancesInput{SubnetId: &w.subnet, PrivateIpAddress: &doomed.ip})
	w.awaitRunning(again)
	if again.ip != doomed.ip {
		t.Errorf("got %s, asked for %s", again.ip, doomed.ip)
	}
}
