// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
)

func TestModifySecurityGroupRules(t *testing.T) {
	r := newRig(t, control.Config{})
	g := r.group(t, "", "g")
	id := *r.authorize(t, g, sdkPermission("tcp", 22, "10.0.0.0/8"))[0].SecurityGroupRuleId
	tcp := func(edit func(*sdktypes.SecurityGroupRuleRequest)) *sdktypes.SecurityGroupRuleRequest {
		c := &sdktypes.SecurityGroupRuleRequest{IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80))}
		edit(c)
		return c
	}
	modify := func(updates ...sdktypes.SecurityGroupRuleUpdate) error {
		out, err := r.ModifySecurityGroupRules(t.Context(), &sdk.ModifySecurityGroupRulesInput{GroupId: &g, SecurityGroupRules: updates})
		if err == nil && !*out.Return {
			t.Error("return is not true")
		}
		return err
	}
	good := tcp(func(c *sdktypes.SecurityGroupRuleRequest) { c.CidrIpv4, c.Description = new("10.1.2.3/16"), new("d") })
	for _, tt := range []struct {
		name, id string
		content  *sdktypes.SecurityGroupRuleRequest
		want     string
	}{
		{"API-M2 nothing", id, tcp(func(*sdktypes.SecurityGroupRuleRequest) {}), "MissingParameter: The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId"},
		{"API-M2 two", id, tcp(func(c *sdktypes.SecurityGroupRuleRequest) { c.CidrIpv4, c.CidrIpv6 = new("10.0.0.0/8"), new("::/0") }), "InvalidParameterCombination: Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified"},
		{"no protocol", id, &sdktypes.SecurityGroupRuleRequest{CidrIpv4: new("10.0.0.0/8")}, "InvalidParameterValue: Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly."},
		{"no ports", id, &sdktypes.SecurityGroupRuleRequest{IpProtocol: new("tcp"), CidrIpv4: new("10.0.0.0/8")}, "InvalidParameterValue: Invalid value for portRange. Must specify both from and to ports with TCP/UDP."},
		{"unknown rule", "sgr-00000000", good, "InvalidSecurityGroupRuleId.NotFound: The security group rule ID 'sgr-00000000' does not exist"},
		{"malformed rule", "x", good, "InvalidSecurityGroupRuleId.Malformed: The security group rule ID 'x' is malformed"},
		{"unknown list", id, tcp(func(c *sdktypes.SecurityGroupRuleRequest) { c.PrefixListId = new("pl-00000000") }), "InvalidPrefixListID.NotFound: The prefix list ID 'pl-00000000' does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, modify(sdktypes.SecurityGroupRuleUpdate{SecurityGroupRuleId: &tt.id, SecurityGroupRule: tt.content}), tt.want)
		})
	}
	update := sdktypes.SecurityGroupRuleUpdate{SecurityGroupRuleId: &id, SecurityGroupRule: good}
	refused(t, modify(update, update), "InvalidParameterValue: Duplicated security group rule ID '"+id+"'")
	if err := modify(update); err != nil {
		t.Fatal(err)
	}
	p := r.describe(t, g).IpPermissions
	if len(p) != 1 || *p[0].FromPort != 80 || *p[0].IpRanges[0].CidrIp != "10.1.0.0/16" || *p[0].IpRanges[0].Description != "d" {
		t.Errorf("%+v", p)
	}
}

func TestUpdateRuleDescriptions(t *testing.T) { // API-U1
	r := newRig(t, control.Config{})
	g := r.group(t, "", "g")
	rule := *r.authorize(t, g, sdkPermission("tcp", 22, "10.0.0.0/8"))[0].SecurityGroupRuleId
	byID := []sdktypes.SecurityGroupRuleDescription{{SecurityGroupRuleId: &rule, Description: new("by id")}}
	list := []sdktypes.IpPermission{sdkPermission("tcp", 22, "10.0.0.0/8")}
	list[0].IpRanges[0].Description = new("by permission")
	shown := func() string { return *r.describe(t, g).IpPermissions[0].IpRanges[0].Description }

	must(r.UpdateSecurityGroupRuleDescriptionsIngress(t.Context(), &sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupName: new("g"), IpPermissions: list}))(t)
	if got := shown(); got != "by permission" {
		t.Error(got)
	}
	must(r.UpdateSecurityGroupRuleDescriptionsIngress(t.Context(), &sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &g, SecurityGroupRuleDescriptions: byID}))(t)
	if got := shown(); got != "by id" {
		t.Error(got)
	}
	everywhere := []sdktypes.IpPermission{{IpProtocol: new("-1"), IpRanges: []sdktypes.IpRange{{CidrIp: new("0.0.0.0/0"), Description: new("out")}}}}
	must(r.UpdateSecurityGroupRuleDescriptionsEgress(t.Context(), &sdk.UpdateSecurityGroupRuleDescriptionsEgressInput{GroupName: new("g"), IpPermissions: everywhere}))(t)
	if got := *r.describe(t, g).IpPermissionsEgress[0].IpRanges[0].Description; got != "out" {
		t.Error(got)
	}
	for want, in := range map[string]*sdk.UpdateSecurityGroupRuleDescriptionsIngressInput{
		"InvalidParameterCombination: The parameter 'ipPermissions' may not be used in combination with 'securityGroupRuleDescriptions'.": {GroupId: &g, IpPermissions: list, SecurityGroupRuleDescriptions: byID},
		"MissingParameter: The request must contain the parameter ipPermissions":                                                          {GroupId: &g},
		"MissingParameter: The request must contain the parameter groupName or groupId":                                                   {IpPermissions: list},
		"InvalidPermission.NotFound: The specified rule does not exist in this security group.":                                           {GroupId: &g, IpPermissions: []sdktypes.IpPermission{sdkPermission("tcp", 23, "10.0.0.0/8")}},
		"InvalidParameterValue: Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*": {
			GroupId: &g, SecurityGroupRuleDescriptions: []sdktypes.SecurityGroupRuleDescription{{SecurityGroupRuleId: &rule, Description: new("<")}},
		},
	} {
		_, err := r.UpdateSecurityGroupRuleDescriptionsIngress(t.Context(), in)
		refused(t, err, want)
	}
}

func TestGetSecurityGroupsForVpc(t *testing.T) { // API-Q13
	r := newRig(t, control.Config{})
	v := r.vpc(t, false)
	g := r.group(t, v, "g")
	out := must(r.GetSecurityGroupsForVpc(t.Context(), &sdk.GetSecurityGroupsForVpcInput{VpcId: &v}))(t)
	if len(out.SecurityGroupForVpcs) != 2 || *out.SecurityGroupForVpcs[0].GroupName != "default" {
		t.Fatalf("%+v", out.SecurityGroupForVpcs)
	}
	shown := out.SecurityGroupForVpcs[1]
	if *shown.GroupId != g || *shown.Description != "about g" || *shown.OwnerId != r.key.Account || *shown.PrimaryVpcId != v || shown.Tags == nil || len(shown.Tags) != 0 {
		t.Errorf("%+v", shown)
	}
	filtered := must(r.GetSecurityGroupsForVpc(t.Context(), &sdk.GetSecurityGroupsForVpcInput{VpcId: &v, Filters: []sdktypes.Filter{where("group-name", "g"), where("primary-vpc-id", v)}}))(t)
	if len(filtered.SecurityGroupForVpcs) != 1 {
		t.Errorf("%+v", filtered.SecurityGroupForVpcs)
	}
	_, err := r.GetSecurityGroupsForVpc(t.Context(), &sdk.GetSecurityGroupsForVpcInput{VpcId: new("vpc-00000000")})
	refused(t, err, "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist")
	_, err = r.GetSecurityGroupsForVpc(t.Context(), &sdk.GetSecurityGroupsForVpcInput{VpcId: &v, Filters: []sdktypes.Filter{where("vpc-id", v)}})
	refused(t, err, "InvalidParameterValue: The filter 'vpc-id' is invalid")
}
