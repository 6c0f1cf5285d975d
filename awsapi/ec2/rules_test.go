// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
)

// sdkPermission returns one port from peers: ranges, and ids of groups.
func sdkPermission(protocol string, port int32, peers ...string) sdktypes.IpPermission {
	p := sdktypes.IpPermission{IpProtocol: &protocol, FromPort: &port, ToPort: &port}
	for _, peer := range peers {
		switch {
		case strings.HasPrefix(peer, "sg-"):
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, sdktypes.UserIdGroupPair{GroupId: &peer})
		case strings.Contains(peer, ":"):
			p.Ipv6Ranges = append(p.Ipv6Ranges, sdktypes.Ipv6Range{CidrIpv6: &peer})
		default:
			p.IpRanges = append(p.IpRanges, sdktypes.IpRange{CidrIp: &peer})
		}
	}
	return p
}

// authorize admits permissions and returns the rules that were made.
func (r *rig) authorize(t *testing.T, group string, permissions ...sdktypes.IpPermission) []sdktypes.SecurityGroupRule {
	t.Helper()
	out := must(r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: permissions}))(t)
	if !*out.Return {
		t.Error("return is not true")
	}
	return out.SecurityGroupRules
}

func TestAuthorize(t *testing.T) {
	r := newRig(t, control.Config{})
	v := r.vpc(t, false)
	g, source := r.group(t, v, "g"), r.group(t, v, "source")

	t.Run("API-A1", func(t *testing.T) {
		rules := r.authorize(t, g, sdkPermission("tcp", 22, "10.0.0.5/8"))
		if len(rules) != 1 {
			t.Fatalf("%d rules", len(rules))
		}
		a := rules[0]
		if *a.CidrIpv4 != "10.0.0.0/8" || *a.IpProtocol != "tcp" || *a.FromPort != 22 || *a.ToPort != 22 || *a.IsEgress ||
			*a.GroupId != g || *a.GroupOwnerId != r.key.Account || a.CidrIpv6 != nil || a.PrefixListId != nil || a.ReferencedGroupInfo != nil ||
			a.Description != nil || a.Tags != nil || *a.SecurityGroupRuleArn != "arn:aws:ec2:us-east-1:"+r.key.Account+":security-group-rule/"+*a.SecurityGroupRuleId {
			t.Errorf("answered %+v", a)
		}
	})
	t.Run("API-A4", func(t *testing.T) {
		for _, protocol := range []string{"TCP", "6"} {
			_, err := r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &g, IpPermissions: []sdktypes.IpPermission{sdkPermission(protocol, 22, "10.9.9.9/8")}})
			refused(t, err, `InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists`)
		}
	})
	t.Run("API-A9 API-Q12", func(t *testing.T) {
		h := r.group(t, v, "q12")
		rules := r.authorize(t, h, sdkPermission("-1", 80, "10.0.0.0/8"), sdkPermission("50", 1, "10.0.0.0/8"))
		if len(rules) != 2 || *rules[0].FromPort != -1 || *rules[0].ToPort != -1 || *rules[1].FromPort != -1 || *rules[1].IpProtocol != "50" {
			t.Errorf("rules %+v", rules)
		}
		for _, p := range r.describe(t, h).IpPermissions {
			if p.FromPort != nil || p.ToPort != nil {
				t.Errorf("the grouped view shows ports of %s", *p.IpProtocol)
			}
		}
		listed := must(r.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{*rules[0].SecurityGroupRuleId}}))(t).SecurityGroupRules
		if len(listed) != 1 || *listed[0].FromPort != -1 || listed[0].Tags == nil {
			t.Errorf("listed %+v", listed)
		}
	})
	t.Run("API-A11", func(t *testing.T) {
		out := must(r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &g, IpPermissions: []sdktypes.IpPermission{sdkPermission("tcp", 22)}}))(t)
		if !*out.Return || out.SecurityGroupRules == nil || len(out.SecurityGroupRules) != 0 {
			t.Errorf("%+v", out)
		}
	})
	t.Run("API-A14", func(t *testing.T) {
		h := r.group(t, v, "a14")
		rules := r.authorize(t, h, sdkPermission("tcp", 22, source, "2001:db8::/32", "10.2.0.0/16", "10.1.0.0/16"))
		if len(rules) != 4 || *rules[0].CidrIpv4 != "10.2.0.0/16" || *rules[1].CidrIpv4 != "10.1.0.0/16" || *rules[2].CidrIpv6 != "2001:db8::/32" {
			t.Fatalf("rules %+v", rules)
		}
		if info := rules[3].ReferencedGroupInfo; *info.GroupId != source || *info.UserId != r.key.Account || info.VpcId != nil {
			t.Errorf("referenced %+v", info)
		}
		in := r.describe(t, h).IpPermissions
		if len(in) != 1 || len(in[0].IpRanges) != 2 || len(in[0].Ipv6Ranges) != 1 || len(in[0].UserIdGroupPairs) != 1 {
			t.Fatalf("grouped %+v", in)
		}
		if pair := in[0].UserIdGroupPairs[0]; *pair.GroupId != source || *pair.UserId != r.key.Account || pair.GroupName != nil || pair.VpcId != nil {
			t.Errorf("pair %+v", pair)
		}
	})
	t.Run("API-A19", func(t *testing.T) {
		out := must(r.AuthorizeSecurityGroupEgress(t.Context(), &sdk.AuthorizeSecurityGroupEgressInput{
			GroupId: &g, IpPermissions: []sdktypes.IpPermission{sdkPermission("tcp", 1, "10.1.0.0/16", "10.2.0.0/16")},
			TagSpecifications: []sdktypes.TagSpecification{{ResourceType: sdktypes.ResourceTypeSecurityGroupRule, Tags: []sdktypes.Tag{{Key: new("k"), Value: new("v")}}}},
		}))(t)
		if len(out.SecurityGroupRules) != 2 || !*out.SecurityGroupRules[1].IsEgress || len(out.SecurityGroupRules[1].Tags) != 1 {
			t.Fatalf("%+v", out.SecurityGroupRules)
		}
		found := must(r.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{Filters: []sdktypes.Filter{where("tag:k", "v")}}))(t).SecurityGroupRules
		if len(found) != 2 {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("API-A20", func(t *testing.T) {
		home := r.group(t, "", "home")
		out := must(r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupName: new("home"), SourceSecurityGroupName: new("default")}))(t)
		var shown []string
		for _, a := range out.SecurityGroupRules {
			shown = append(shown, *a.IpProtocol)
		}
		if !slices.Equal(shown, []string{"tcp", "udp", "icmp"}) || *out.SecurityGroupRules[0].GroupId != home || *out.SecurityGroupRules[0].ToPort != 65535 {
			t.Errorf("%+v", out.SecurityGroupRules)
		}
		if p := r.describe(t, home).IpPermissions[2]; *p.FromPort != -1 || *p.ToPort != -1 {
			t.Errorf("every ICMP is shown as %+v", p)
		}
	})
	t.Run("flat form", func(t *testing.T) {
		out := must(r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{
			GroupId: &g, IpProtocol: new("udp"), FromPort: new(int32(53)), ToPort: new(int32(54)), CidrIp: new("10.0.0.0/8"),
		}))(t)
		if len(out.SecurityGroupRules) != 1 || *out.SecurityGroupRules[0].ToPort != 54 {
			t.Errorf("%+v", out.SecurityGroupRules)
		}
	})
	_, err := r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: new("sgabc"), IpPermissions: []sdktypes.IpPermission{sdkPermission("tcp", 22)}})
	refused(t, err, `InvalidGroupId.Malformed: Invalid id: "sgabc" (expecting "sg-...")`)
	_, err = r.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &g})
	refused(t, err, "MissingParameter: Missing source specification: include source security group or CIDR information")
}

func TestRevoke(t *testing.T) {
	r := newRig(t, control.Config{})
	strict, lenient := r.group(t, r.vpc(t, false), "g"), r.group(t, "", "g")
	everywhere := sdktypes.IpPermission{IpProtocol: new("-1"), FromPort: new(int32(0)), ToPort: new(int32(0)), IpRanges: []sdktypes.IpRange{{CidrIp: new("0.0.0.0/0")}}}
	everywhere6 := sdktypes.IpPermission{IpProtocol: new("-1"), Ipv6Ranges: []sdktypes.Ipv6Range{{CidrIpv6: new("::/0")}}}
	egress := func(group string, p sdktypes.IpPermission) (*sdk.RevokeSecurityGroupEgressOutput, error) {
		return r.RevokeSecurityGroupEgress(t.Context(), &sdk.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: []sdktypes.IpPermission{p}})
	}

	t.Run("API-R1", func(t *testing.T) {
		out := must(egress(strict, everywhere))(t)
		if !*out.Return || len(out.RevokedSecurityGroupRules) != 1 || out.UnknownIpPermissions != nil {
			t.Fatalf("%+v", out)
		}
		gone := out.RevokedSecurityGroupRules[0]
		if *gone.IpProtocol != "-1" || *gone.FromPort != -1 || *gone.ToPort != -1 || !*gone.IsEgress || *gone.CidrIpv4 != "0.0.0.0/0" || *gone.GroupId != strict ||
			gone.SecurityGroupRuleId == nil || gone.Description != nil || gone.CidrIpv6 != nil || gone.ReferencedGroupId != nil {
			t.Errorf("gone %+v", gone)
		}
	})
	t.Run("API-R2", func(t *testing.T) {
		_, err := egress(strict, everywhere6)
		refused(t, err, "InvalidPermission.NotFound: The specified rule does not exist in this security group.")
	})
	t.Run("API-R3", func(t *testing.T) {
		out := must(egress(lenient, everywhere6))(t)
		if !*out.Return || len(out.UnknownIpPermissions) != 1 || *out.UnknownIpPermissions[0].Ipv6Ranges[0].CidrIpv6 != "::/0" || len(out.RevokedSecurityGroupRules) != 0 {
			t.Errorf("%+v", out)
		}
	})
	t.Run("API-R8", func(t *testing.T) {
		out := *must(r.AuthorizeSecurityGroupEgress(t.Context(), &sdk.AuthorizeSecurityGroupEgressInput{GroupId: &strict, IpPermissions: []sdktypes.IpPermission{everywhere}}))(t).SecurityGroupRules[0].SecurityGroupRuleId
		for id, want := range map[string]string{
			"sgr-00000000": "InvalidSecurityGroupRuleId.NotFound: The security group rule ID 'sgr-00000000' does not exist",
			"10.0.0.1":     "InvalidSecurityGroupRuleId.Malformed: The security group rule ID '10.0.0.1' is malformed",
			out:            "InvalidSecurityGroupRuleId.NotFound: The security group rule ID '" + out + "' does not exist",
		} {
			_, err := r.RevokeSecurityGroupIngress(t.Context(), &sdk.RevokeSecurityGroupIngressInput{GroupId: &strict, SecurityGroupRuleIds: []string{id}})
			refused(t, err, want)
		}
		done := must(r.RevokeSecurityGroupEgress(t.Context(), &sdk.RevokeSecurityGroupEgressInput{GroupId: &strict, SecurityGroupRuleIds: []string{out}}))(t)
		if len(done.RevokedSecurityGroupRules) != 1 || *done.RevokedSecurityGroupRules[0].SecurityGroupRuleId != out {
			t.Errorf("%+v", done)
		}
	})
	t.Run("what was described can be revoked", func(t *testing.T) {
		r.authorize(t, lenient, sdkPermission("tcp", 22, "10.0.0.0/8", "2001:db8::/32", lenient), sdkPermission("icmp", -1, "10.0.0.0/8"), sdkPermission("47", 0, "10.0.0.0/8"))
		out := must(r.RevokeSecurityGroupIngress(t.Context(), &sdk.RevokeSecurityGroupIngressInput{GroupName: new("g"), IpPermissions: r.describe(t, lenient).IpPermissions}))(t)
		if len(out.RevokedSecurityGroupRules) != 5 || out.UnknownIpPermissions != nil || len(r.describe(t, lenient).IpPermissions) != 0 {
			t.Errorf("%+v", out)
		}
	})
	t.Run("flat form", func(t *testing.T) {
		r.authorize(t, lenient, sdkPermission("tcp", 22, "10.0.0.0/8"))
		out := must(r.RevokeSecurityGroupIngress(t.Context(), &sdk.RevokeSecurityGroupIngressInput{
			GroupName: new("g"), IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), CidrIp: new("10.0.0.0/8"),
		}))(t)
		if len(out.RevokedSecurityGroupRules) != 1 {
			t.Errorf("%+v", out)
		}
	})
	_, err := r.RevokeSecurityGroupIngress(t.Context(), &sdk.RevokeSecurityGroupIngressInput{GroupId: &strict})
	refused(t, err, "MissingParameter: The request must contain the parameter ipPermissions or securityGroupRuleIds")
	_, err = r.RevokeSecurityGroupIngress(t.Context(), &sdk.RevokeSecurityGroupIngressInput{GroupId: &strict, SecurityGroupRuleIds: []string{"sgr-00000000"}, IpPermissions: []sdktypes.IpPermission{everywhere}})
	refused(t, err, "InvalidParameterCombination: The parameter 'ipPermissions' may not be used in combination with 'securityGroupRuleIds'.")
}

func TestDescribeSecurityGroupRules(t *testing.T) {
	r := newRig(t, control.Config{})
	g := r.group(t, "", "g")
	rules := func(in *sdk.DescribeSecurityGroupRulesInput) []sdktypes.SecurityGroupRule {
		t.Helper()
		return must(r.DescribeSecurityGroupRules(t.Context(), in))(t).SecurityGroupRules
	}
	if all := rules(&sdk.DescribeSecurityGroupRulesInput{}); len(all) != 3 { // two of the default group, one of g
		t.Errorf("without parameters: %d rules", len(all))
	}
	filtered := func(name, value string) *sdk.DescribeSecurityGroupRulesInput {
		return &sdk.DescribeSecurityGroupRulesInput{Filters: []sdktypes.Filter{where(name, value)}}
	}
	mine := rules(filtered("group-id", g))
	if len(mine) != 1 || mine[0].Tags == nil || len(mine[0].Tags) != 0 || !*mine[0].IsEgress {
		t.Errorf("rules of the group: %+v", mine)
	}
	if found := rules(filtered("security-group-rule-id", *mine[0].SecurityGroupRuleId)); len(found) != 1 {
		t.Errorf("by id: %+v", found)
	}
	if found := rules(filtered("security-group-rule-id", "sgr-00000000")); found == nil || len(found) != 0 {
		t.Errorf("unknown id in a filter: %+v", found)
	}
	if found := rules(filtered("group-id", "sg-00000000")); found == nil || len(found) != 0 { // API-Q10
		t.Errorf("unknown group: %+v", found)
	}
	withIDs := &sdk.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{*mine[0].SecurityGroupRuleId}, MaxResults: new(int32(5))}
	for want, in := range map[string]*sdk.DescribeSecurityGroupRulesInput{
		"InvalidGroupId.Malformed: The security group ID 'foobar' is malformed":                                               filtered("group-id", "foobar"),                   // API-Q10
		"InvalidSecurityGroupRuleId.NotFound: The security group rule ID 'sgr-00000000' does not exist":                       {SecurityGroupRuleIds: []string{"sgr-00000000"}}, // API-Q11
		"InvalidSecurityGroupRuleId.Malformed: The security group rule ID 'x' is malformed":                                   {SecurityGroupRuleIds: []string{"x"}},
		"InvalidParameterValue: The filter 'vpc-id' is invalid":                                                               filtered("vpc-id", "x"),
		"InvalidParameterValue: Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5.":           {MaxResults: new(int32(1))},
		"InvalidPaginationToken: Next token 'garbage' is invalid":                                                             {NextToken: new("garbage")},
		"InvalidParameterCombination: The parameter 'securityGroupRuleIds' may not be used in combination with 'maxResults'.": withIDs,
	} {
		_, err := r.DescribeSecurityGroupRules(t.Context(), in)
		refused(t, err, want)
	}
	for i := range int32(7) {
		r.authorize(t, g, sdkPermission("tcp", i, "10.0.0.0/8"))
	}
	first := must(r.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{MaxResults: new(int32(5)), Filters: []sdktypes.Filter{where("group-id", g)}}))(t)
	second := must(r.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{MaxResults: new(int32(5)), Filters: []sdktypes.Filter{where("group-id", g)}, NextToken: first.NextToken}))(t)
	if len(first.SecurityGroupRules) != 5 || len(second.SecurityGroupRules) != 3 || second.NextToken != nil || *second.SecurityGroupRules[2].FromPort != 6 {
		t.Errorf("pages %+v %+v", first, second)
	}
}

// TestFlatForm holds the table of section 3.5.
func TestFlatForm(t *testing.T) {
	list := []ec2types.IpPermission{{IpProtocol: new("-1")}}
	for _, tt := range []struct {
		name string
		flat flatForm
		list []ec2types.IpPermission
		want string // refusal
	}{
		{name: "list", list: list},
		{name: "flat", flat: flatForm{protocol: new("-1"), cidr: new("10.0.0.0/8")}},
		{name: "no source", flat: flatForm{protocol: new("-1")}},
		{name: "group", flat: flatForm{group: new("x"), owner: new("111122223333")}},
		{"both forms", flatForm{protocol: new("-1")}, list, "InvalidParameterCombination: The parameter ipPermissions may not be used in combination with ipProtocol"},
		{"two sources", flatForm{cidr: new("10.0.0.0/8"), group: new("x")}, nil, "InvalidParameterCombination: The parameter cidrIp cannot be used with the parameter sourceSecurityGroupName"},
		{"group and protocol", flatForm{protocol: new("tcp"), group: new("x")}, nil, "InvalidParameterCombination: The parameter ipProtocol cannot be used with the parameter sourceSecurityGroupName"},
		{"owner alone", flatForm{owner: new("111122223333")}, nil, "MissingParameter: Source group ID missing."},
		{"range without protocol", flatForm{cidr: new("10.0.0.0/8")}, nil, "InvalidParameterValue: Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly."},
		{"ports without source", flatForm{protocol: new("tcp"), to: new(int32(1))}, nil, "InvalidParameterValue: Invalid value for portRange. Must specify both from and to ports with TCP/UDP."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.flat.permissions(tt.list)
			equal(t, err, tt.want)
		})
	}
}

// TestPermissionSyntax holds API-A12 and API-A17 and the peers of section 3.5.
func TestPermissionSyntax(t *testing.T) {
	long := strings.Repeat("x", 256)
	bad := "InvalidParameterValue: Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
	const empty = "InvalidParameterValue: missing mandatory parameter: exactly one of remote-security-group, remote-ip-range, remote-ipv6-range, or prefix-list-id must be present."
	for _, tt := range []struct {
		name string
		in   ec2types.IpPermission
		want string
	}{
		{"no peer", ec2types.IpPermission{}, ""},
		{"API-A12 IPv6 as IPv4", ec2types.IpPermission{IpRanges: []ec2types.IpRange{{CidrIp: new("::/0")}}}, "InvalidParameterValue: CIDR block ::/0 is malformed"},
		{"API-A12 IPv4 as IPv6", ec2types.IpPermission{Ipv6Ranges: []ec2types.Ipv6Range{{CidrIpv6: new("10.0.0.0/8")}}}, "InvalidParameterValue: CIDR block 10.0.0.0/8 is malformed"},
		{"API-A12 no length", ec2types.IpPermission{IpRanges: []ec2types.IpRange{{CidrIp: new("1.2.3.4")}}}, "InvalidParameterValue: CIDR block 1.2.3.4 is malformed"},
		{"API-A17 long", ec2types.IpPermission{IpRanges: []ec2types.IpRange{{CidrIp: new("1.2.3.4/32"), Description: &long}}}, bad},
		{"API-A17 quote", ec2types.IpPermission{Ipv6Ranges: []ec2types.Ipv6Range{{CidrIpv6: new("::/0"), Description: new(`"`)}}}, bad},
		{"API-A17 group", ec2types.IpPermission{UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupName: new("g"), Description: &long}}}, bad},
		{"API-A17 list", ec2types.IpPermission{PrefixListIds: []ec2types.PrefixListId{{PrefixListId: new("pl-00000000"), Description: &long}}}, bad},
		{"range without content", ec2types.IpPermission{IpRanges: []ec2types.IpRange{{Description: new("x")}}}, empty},
		{"list without content", ec2types.IpPermission{PrefixListIds: []ec2types.PrefixListId{{Description: new("x")}}}, empty},
		{"list id", ec2types.IpPermission{PrefixListIds: []ec2types.PrefixListId{{PrefixListId: new("x")}}}, `InvalidPrefixListId.Malformed: Invalid id: "x" (expecting "pl-...")`},
		{"group id", ec2types.IpPermission{UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: new("x")}}}, `InvalidGroupId.Malformed: Invalid id: "x" (expecting "sg-...")`},
		{"group without name", ec2types.IpPermission{UserIdGroupPairs: []ec2types.UserIdGroupPair{{UserId: new("111122223333")}}}, "MissingParameter: Source group ID missing."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.IpProtocol = new("-1")
			_, err := parsePermissions([]ec2types.IpPermission{tt.in})
			equal(t, err, tt.want)
		})
	}
}
