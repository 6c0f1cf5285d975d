// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

// endpoint makes an interface endpoint in the studio's two subnets and waits until
// it is available.
func (f *studio) endpoint(service string, subnets []string, groups ...string) *types.VpcEndpoint {
	f.t.Helper()
	made, err := f.api.CreateVpcEndpoint(f.t.Context(), &ec2.CreateVpcEndpointInput{
		VpcId: &f.vpc, VpcEndpointType: types.VpcEndpointTypeInterface, ServiceName: aws.String("com.amazonaws." + studioRegion + ".appstream." + service),
		SubnetIds: subnets, SecurityGroupIds: groups, PrivateDnsEnabled: aws.Bool(false),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	var shown types.VpcEndpoint
	eventually(f.t, "the endpoint is available", func() bool {
		got, err := f.api.DescribeVpcEndpoints(f.t.Context(), &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{*made.VpcEndpoint.VpcEndpointId}})
		if err != nil || len(got.VpcEndpoints) != 1 {
			f.t.Fatalf("%+v, %v", got, err)
		}
		shown = got.VpcEndpoints[0]
		return shown.State == "available"
	})
	f.s.Settle(f.t)
	return &shown
}

// enisOf returns an endpoint's interfaces.
func (f *studio) enisOf(e *types.VpcEndpoint) []types.NetworkInterface {
	f.t.Helper()
	got, err := f.api.DescribeNetworkInterfaces(f.t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: e.NetworkInterfaceIds})
	if err != nil {
		f.t.Fatal(err)
	}
	return got.NetworkInterfaces
}

// frames returns how many frames somebody in an instance gets by a streaming URL,
// up to n; limit is curl's, in seconds.
func (f *studio) frames(g *guest, url, limit, n string) int {
	f.t.Helper()
	out, _, err := rig.Run("exec", g.id, "--", "sh", "-c", `curl -sNL --max-time "$0" "$1" | head -n "$2"`, limit, url, n)
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.Count(out, "frame ")
}

// TestStreamsThroughInterfaceEndpoints is docs/spec/appstream.md section 1.7: the
// groups of the endpoint judge what users send, those of the fleet do not.
func TestStreamsThroughInterfaceEndpoints(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "door")
	g1, users, door := f.bare("g1"), f.group("users"), f.bare("door")
	user := f.run(users)[0]
	f.allow(door, permission("tcp", 443, 443, users))
	e := f.endpoint("streaming", []string{f.r1, f.r2}, door)
	for _, i := range f.enisOf(e) {
		if !*i.RequesterManaged || i.InterfaceType != "vpc_endpoint" || strings.Join(groupIDs(i), " ") != door || *i.Description != "VPC Endpoint Interface "+*e.VpcEndpointId {
			t.Errorf("the endpoint's interface is %+v", i)
		}
		_, err := f.api.ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: i.NetworkInterfaceId, Groups: []string{users}})
		rig.WantCode(t, "changing an endpoint's interface", err, "OperationNotPermitted")
	}
	if len(e.NetworkInterfaceIds) != 2 {
		t.Errorf("an endpoint in two subnets has interfaces %v", e.NetworkInterfaceIds)
	}
	_, err := f.api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &door})
	rig.WantCode(t, "deleting the group of an endpoint", err, "DependencyViolation")

	fleet := f.running(f.asked("F", g1))
	stack := f.stack(fleet, nil)
	url := func(f *studio) string {
		u, err := f.as.CreateStreamingURL(f.t.Context(), &appstream.CreateStreamingURLInput{StackName: &stack, FleetName: &fleet, UserId: aws.String("bob")})
		if err != nil {
			f.t.Fatal(err)
		}
		return *u.StreamingURL
	}
	outside := url(f)
	_, err = f.as.UpdateStack(t.Context(), &appstream.UpdateStackInput{Name: &stack, AccessEndpoints: []streaming.AccessEndpoint{
		{EndpointType: streaming.AccessEndpointTypeStreaming, VpceId: e.VpcEndpointId},
	}})
	if err != nil {
		t.Fatal(err)
	}
	through := url(f)
	if !strings.Contains(through, ":443/") {
		t.Fatalf("the streaming URL does not lead to the endpoint: %s", through)
	}
	f.row(t, "AS-D13", func(f *studio) {
		if n := f.frames(user, through, "3", "30"); n != 0 {
			f.t.Errorf("without TCP 1400-1499 %d frames come", n)
		}
	})
	f.row(t, "AS-D14", func(f *studio) {
		f.allow(door, permission("tcp", 1400, 1499, users))
		f.s.Settle(f.t)
		if n := f.frames(user, through, "20", "30"); n != 30 {
			f.t.Errorf("with TCP 443 and 1400-1499 %d frames come, want 30", n)
		}
	})
	if out, _, _ := rig.Run("exec", user.id, "--", "curl", "-s", outside); strings.Contains(out, "frame") {
		t.Errorf("a stack with endpoints streams over the internet: %s", out)
	}
	if _, err := f.api.DeleteVpcEndpoints(t.Context(), &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the endpoint is gone", func() bool {
		got, err := f.api.DescribeVpcEndpoints(t.Context(), &ec2.DescribeVpcEndpointsInput{Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{f.vpc}}}})
		return err == nil && len(got.VpcEndpoints) == 0
	})
	if _, err := f.api.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &door}); err != nil {
		t.Errorf("the group of an endpoint that is gone: %v", err)
	}
}

// TestTheAPIAtAnInterfaceEndpoint calls the API from inside the VPC.
func TestTheAPIAtAnInterfaceEndpoint(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "api")
	users, door := f.group("users"), f.bare("door")
	user := f.run(users)[0]
	e := f.endpoint("api", []string{f.r1}, door)
	at := *f.enisOf(e)[0].PrivateIpAddress
	check(t, "no rule", dropped(connects(user, "tcp", at, 443)))
	f.allow(door, permission("tcp", 443, 443, users))
	f.s.Settle(t)
	out, _, err := rig.Run("exec", user.id, "--", "curl", "-s", "--max-time", "20", "http://"+at+":443/")
	if err != nil || !strings.Contains(out, "AccessKeyId") {
		t.Errorf("the API says %q, %v to who signs nothing", out, err)
	}
}
