// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

// TestRequirePeers is the strict mode of docs/spec/ec2-api.md section 16, point 1,
// in both directions and before DryRun. The lenient one is a case of
// testdata/conformance.
func TestRequirePeers(t *testing.T) {
	r := newRig(t, control.Config{RequirePeers: true})
	vpc := must(r.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: new("10.0.0.0/16")}))(t).Vpc.VpcId
	group := must(r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{GroupName: new("a"), Description: new("d"), VpcId: vpc}))(t).GroupId
	const want = "InvalidParameterValue: missing mandatory parameter: exactly one of remote-security-group, remote-ip-range, remote-ipv6-range, or prefix-list-id must be present."
	all := sdktypes.IpPermission{IpProtocol: new("-1")}
	some := all
	some.IpRanges = []sdktypes.IpRange{{CidrIp: new("10.0.0.0/8")}}
	for _, dry := range []bool{false, true} {
		_, err := r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: group, DryRun: &dry, IpPermissions: []sdktypes.IpPermission{some, all}})
		refused(t, err, want)
		_, err = r.AuthorizeSecurityGroupEgress(t.Context(), &sdk.AuthorizeSecurityGroupEgressInput{GroupId: group, DryRun: &dry, IpPermissions: []sdktypes.IpPermission{all}})
		refused(t, err, want)
	}
	added := must(r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: []sdktypes.IpPermission{some}}))(t)
	if len(added.SecurityGroupRules) != 1 {
		t.Errorf("added %+v", added.SecurityGroupRules)
	}
}
