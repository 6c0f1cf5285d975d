// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/query"
	"github.com/hedgeward/hedgeward/control"
)

// vpc makes a VPC that is not the default one.
func (r *rig) vpc(t *testing.T, ipv6 bool) string {
	t.Helper()
	return *must(r.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: new("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: &ipv6}))(t).Vpc.VpcId
}

// group makes a group; vpc "" is the default VPC.
func (r *rig) group(t *testing.T, vpc, name string) string {
	t.Helper()
	return *must(r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{
		VpcId: optional(vpc), GroupName: &name, Description: new("about " + name),
	}))(t).GroupId
}

// describe returns one group.
func (r *rig) describe(t *testing.T, id string) sdktypes.SecurityGroup {
	t.Helper()
	groups := must(r.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupIds: []string{id}}))(t).SecurityGroups
	if len(groups) != 1 {
		t.Fatalf("%d groups have the id %s", len(groups), id)
	}
	return groups[0]
}

// names returns the names of the groups that filters leave over, sorted.
func (r *rig) names(t *testing.T, filters ...sdktypes.Filter) string {
	t.Helper()
	var names []string
	for _, g := range must(r.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{Filters: filters}))(t).SecurityGroups {
		names = append(names, *g.GroupName)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestCreateSecurityGroup(t *testing.T) {
	r := newRig(t, control.Config{})
	v := r.vpc(t, false)
	t.Run("API-C1", func(t *testing.T) {
		out := must(r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{VpcId: &v, GroupName: new("a"), Description: new("first")}))(t)
		arn := "arn:aws:ec2:us-east-1:" + r.key.Account + ":security-group/" + *out.GroupId
		if *out.SecurityGroupArn != arn || out.Tags != nil {
			t.Errorf("arn %s, tags %v", *out.SecurityGroupArn, out.Tags)
		}
		g := r.describe(t, *out.GroupId)
		if *g.GroupName != "a" || *g.Description != "first" || *g.VpcId != v || *g.OwnerId != r.key.Account || *g.SecurityGroupArn != arn || g.Tags != nil {
			t.Errorf("described as %+v", g)
		}
		if g.IpPermissions == nil || len(g.IpPermissions) != 0 || len(g.IpPermissionsEgress) != 1 {
			t.Fatalf("in %v, out %v", g.IpPermissions, g.IpPermissionsEgress)
		}
		p := g.IpPermissionsEgress[0]
		if *p.IpProtocol != "-1" || p.FromPort != nil || p.ToPort != nil || len(p.IpRanges) != 1 || *p.IpRanges[0].CidrIp != "0.0.0.0/0" {
			t.Errorf("egress %+v", p)
		}
		if p.Ipv6Ranges == nil || p.PrefixListIds == nil || p.UserIdGroupPairs == nil {
			t.Errorf("the four lists are not all there: %+v", p)
		}
	})
	t.Run("API-C2", func(t *testing.T) {
		id := r.group(t, r.vpc(t, true), "a")
		out := r.describe(t, id).IpPermissionsEgress
		if len(out) != 1 || len(out[0].IpRanges) != 1 || len(out[0].Ipv6Ranges) != 1 || *out[0].Ipv6Ranges[0].CidrIpv6 != "::/0" {
			t.Errorf("egress %+v", out)
		}
		rules := must(r.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{Filters: []sdktypes.Filter{where("group-id", id)}}))(t).SecurityGroupRules
		if len(rules) != 2 || *rules[0].CidrIpv4 != "0.0.0.0/0" || *rules[1].CidrIpv6 != "::/0" {
			t.Errorf("rules %+v", rules)
		}
	})
	t.Run("API-C6", func(t *testing.T) {
		_, err := r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{VpcId: &v, GroupName: new("é"), Description: new("d")})
		refused(t, err, "InvalidParameterValue: Value (é) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.")
		_, err = r.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{VpcId: &v, GroupName: new("x"), Description: new("<")})
		refused(t, err, "InvalidParameterValue: Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
	})
	t.Run("API-C7", func(t *testing.T) {
		if g := r.describe(t, r.group(t, v, "b ")); *g.GroupName != "b" {
			t.Errorf("name %q", *g.GroupName)
		}
	})
	t.Run("API-C10", func(t *testing.T) {
		form, err := query.ParseForm("", []byte("Action=CreateSecurityGroup&GroupName=a&Description=x"))
		if err != nil {
			t.Fatal(err)
		}
		if err := form.Decode(new(ec2types.CreateSecurityGroupRequest)); err == nil || err.Error() != "UnknownParameter: The parameter Description is not recognized" {
			t.Error(err)
		}
	})
	t.Run("tags", func(t *testing.T) {
		in := &sdk.CreateSecurityGroupInput{VpcId: &v, GroupName: new("tagged"), Description: new("d"), TagSpecifications: []sdktypes.TagSpecification{{
			ResourceType: sdktypes.ResourceTypeSecurityGroup, Tags: []sdktypes.Tag{{Key: new("k"), Value: new("v")}},
		}}}
		out := must(r.CreateSecurityGroup(t.Context(), in))(t)
		for _, tags := range [][]sdktypes.Tag{out.Tags, r.describe(t, *out.GroupId).Tags} {
			if len(tags) != 1 || *tags[0].Key != "k" || *tags[0].Value != "v" {
				t.Errorf("tags %+v", tags)
			}
		}
	})
}

func TestDeleteSecurityGroup(t *testing.T) {
	r := newRig(t, control.Config{})
	v := r.vpc(t, false)
	id := r.group(t, v, "g")
	_, err := r.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: new("foo")}) // API-D6
	refused(t, err, "InvalidGroupId.Malformed: The security-group ID 'foo' is malformed")
	_, err = r.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{})
	refused(t, err, "MissingParameter: The request must contain the parameter groupName or groupId")
	_, err = r.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: &id, DryRun: new(true)}) // API-D8
	refused(t, err, "DryRunOperation: Request would have succeeded, but DryRun flag is set.")
	r.describe(t, id)
	out := must(r.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: &id}))(t)
	if !*out.Return || *out.GroupId != id {
		t.Errorf("%v %v", *out.Return, *out.GroupId)
	}
	_, err = r.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: &id}) // API-D5
	refused(t, err, "InvalidGroup.NotFound: The security group '"+id+"' does not exist")
}

func TestDescribeSecurityGroups(t *testing.T) {
	r := newRig(t, control.Config{})
	v := r.vpc(t, false)
	web, db := r.group(t, v, "web"), r.group(t, v, "a*b")
	r.authorize(t, web, sdkPermission("tcp", 22, "192.168.0.0/16"), sdkPermission("tcp", 80, "10.0.0.0/8"))
	r.authorize(t, db, sdkPermission("udp", 53, "2001:db8::/32", web))
	here := where("vpc-id", v)

	for _, tt := range []struct {
		name    string
		filters []sdktypes.Filter
		want    string
	}{
		{"API-Q2", []sdktypes.Filter{where("group-id", "sg-00000000", "nonsense")}, ""},
		{"API-Q3", []sdktypes.Filter{here, where("group-name", "w?b*")}, "web"},
		{"API-Q3 anchored", []sdktypes.Filter{here, where("group-name", "e*")}, ""},
		{"API-Q4", []sdktypes.Filter{here, where("group-name", `a\*b`)}, "a*b"},
		{"API-Q5", []sdktypes.Filter{where("ip-permission.from-port", "22"), where("ip-permission.cidr", "10.0.0.0/8")}, "web"},
		{"API-Q6", []sdktypes.Filter{where("ip-permission.cidr", "10.0.0.0/16")}, ""},
		{"every group", []sdktypes.Filter{here}, "a*b default web"},
		{"description", []sdktypes.Filter{where("description", "about web")}, "web"},
		{"owner-id", []sdktypes.Filter{here, where("owner-id", r.key.Account)}, "a*b default web"},
		{"vpc-id pattern", []sdktypes.Filter{where("vpc-id", "*"), where("group-name", "web")}, "web"},
		{"to-port", []sdktypes.Filter{where("ip-permission.to-port", "80")}, "web"},
		{"protocol", []sdktypes.Filter{where("ip-permission.protocol", "udp")}, "a*b"},
		{"group-id of a rule", []sdktypes.Filter{where("ip-permission.group-id", web)}, "a*b"},
		{"group-name of a rule", []sdktypes.Filter{where("ip-permission.group-name", "web")}, ""},
		{"user-id of a rule", []sdktypes.Filter{here, where("ip-permission.user-id", r.key.Account)}, "a*b default"},
		{"ipv6-cidr", []sdktypes.Filter{where("ip-permission.ipv6-cidr", "2001:db8::/32")}, "a*b"},
		{"prefix-list-id", []sdktypes.Filter{where("ip-permission.prefix-list-id", "*")}, ""},
		{"egress", []sdktypes.Filter{here, where("egress.ip-permission.cidr", "0.0.0.0/0"), where("egress.ip-permission.from-port", "-1")}, "a*b default web"},
		{"egress is not ingress", []sdktypes.Filter{where("egress.ip-permission.protocol", "udp")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.names(t, tt.filters...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}

	limit := func(n int32) *sdk.DescribeSecurityGroupsInput {
		return &sdk.DescribeSecurityGroupsInput{MaxResults: &n}
	}
	withIDs := limit(5)
	withIDs.GroupIds = []string{web}
	for _, tt := range []struct {
		name string
		in   *sdk.DescribeSecurityGroupsInput
		want string
	}{
		{"API-Q1 unknown", &sdk.DescribeSecurityGroupsInput{GroupIds: []string{"sg-00000000"}}, "InvalidGroup.NotFound: The security group 'sg-00000000' does not exist"},
		{"API-Q1 malformed", &sdk.DescribeSecurityGroupsInput{GroupIds: []string{"foo"}}, `InvalidGroupId.Malformed: Invalid id: "foo" (expecting "sg-...")`},
		{"API-Q7", &sdk.DescribeSecurityGroupsInput{Filters: []sdktypes.Filter{where("nonsense", "x")}}, "InvalidParameterValue: The filter 'nonsense' is invalid"},
		{"a name before a filter", &sdk.DescribeSecurityGroupsInput{GroupNames: []string{"default"}, Filters: []sdktypes.Filter{where("nonsense", "x")}}, "InvalidParameterValue: The filter 'nonsense' is invalid"},
		{"vpc-id", &sdk.DescribeSecurityGroupsInput{Filters: []sdktypes.Filter{where("vpc-id", "foo")}}, "InvalidParameterValue: vpc-id"},
		{"API-Q8 4", limit(4), "InvalidParameterValue: Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than 5."},
		{"API-Q8 1001", limit(1001), "InvalidParameterValue: Value ( 1001 ) for parameter maxResults is invalid. Expecting a value smaller than 1000."},
		{"API-Q8 ids", withIDs, "InvalidParameterCombination: The parameter securityGroupIdSet cannot be used with the parameter maxResults"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.DescribeSecurityGroups(t.Context(), tt.in)
			refused(t, err, tt.want)
		})
	}
	_, err := r.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupNames: []string{"gone"}, Filters: []sdktypes.Filter{where("nonsense", "x")}})
	if err == nil || !strings.Contains(err.Error(), "The security group 'gone' does not exist in default VPC") {
		t.Errorf("an unknown name comes before an unknown filter (section 1.5): %v", err)
	}
	both := &sdk.DescribeSecurityGroupsInput{GroupIds: []string{web, db}, Filters: []sdktypes.Filter{where("group-name", "web")}}
	if found := must(r.DescribeSecurityGroups(t.Context(), both))(t).SecurityGroups; len(found) != 1 || *found[0].GroupId != web {
		t.Errorf("ids and filters are not intersected: %v", found)
	}
}

func TestSecurityGroupPages(t *testing.T) { // API-Q9
	r := newRig(t, control.Config{})
	v := r.vpc(t, false)
	for i := range 11 { // with the default group: 12
		r.group(t, v, fmt.Sprintf("g%02d", i))
	}
	var sizes []int
	var names []string
	in := &sdk.DescribeSecurityGroupsInput{MaxResults: new(int32(5)), Filters: []sdktypes.Filter{where("vpc-id", v)}}
	for more := true; more; more = in.NextToken != nil {
		out := must(r.DescribeSecurityGroups(t.Context(), in))(t)
		sizes = append(sizes, len(out.SecurityGroups))
		for _, g := range out.SecurityGroups {
			names = append(names, *g.GroupName)
		}
		in.NextToken = out.NextToken
	}
	if !slices.Equal(sizes, []int{5, 5, 2}) || names[0] != "default" || !slices.IsSorted(names) {
		t.Errorf("pages of %v: %v", sizes, names)
	}
	if all := must(r.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{}))(t); all.NextToken != nil || len(all.SecurityGroups) != 13 {
		t.Errorf("without MaxResults: %d groups, token %v", len(all.SecurityGroups), all.NextToken)
	}
}

// TestGroupSyntax: what the first phase refuses that an SDK would not send.
func TestGroupSyntax(t *testing.T) {
	s := new(Service)
	c := new(awsapi.Call)
	_, err := s.authorizeEgress(c, new(ec2types.AuthorizeSecurityGroupEgressRequest))
	equal(t, err, "MissingParameter: The request must contain the parameter groupId")
	_, err = s.revokeEgress(c, new(ec2types.RevokeSecurityGroupEgressRequest))
	equal(t, err, "MissingParameter: The request must contain the parameter groupId")
	_, err = s.authorizeIngress(c, new(ec2types.AuthorizeSecurityGroupIngressRequest)) // API-A21
	equal(t, err, "MissingParameter: The request must contain the parameter groupName or groupId")
	_, err = s.createSecurityGroup(c, new(ec2types.CreateSecurityGroupRequest))
	equal(t, err, "MissingParameter: The request must contain the parameter groupName")
	_, err = s.createSecurityGroup(c, &ec2types.CreateSecurityGroupRequest{GroupName: new("a")})
	equal(t, err, "MissingParameter: The request must contain the parameter groupDescription")
}

// equal fails the test unless err reads want; "" wants none.
func equal(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestEmptyListOnTheWire holds section 16, point 1: a list that is sent as an
// empty value is absent, and the permission then has no peer.
func TestEmptyListOnTheWire(t *testing.T) {
	form, err := query.ParseForm("", []byte("Action=AuthorizeSecurityGroupIngress&GroupId=sg-00000000&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges=&IpPermissions.1.Groups="))
	if err != nil {
		t.Fatal(err)
	}
	in := new(ec2types.AuthorizeSecurityGroupIngressRequest)
	if err := form.Decode(in); err != nil {
		t.Fatal(err)
	}
	permissions, err := parsePermissions(in.IpPermissions)
	if err != nil || len(permissions) != 1 || permissions[0].Peers != nil {
		t.Errorf("%+v, %v", permissions, err)
	}
}
