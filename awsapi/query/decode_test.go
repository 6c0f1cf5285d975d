// SPDX-License-Identifier: Apache-2.0

package query

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/sts/ststypes"
	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/secgroup"
)

func ptr[T any](v T) *T { return &v }

func decode(t testing.TB, body string, in any) error {
	t.Helper()
	f, err := ParseForm("", []byte(body))
	if err != nil {
		return err
	}
	return f.Decode(in)
}

// The table "Names that surprise" of docs/spec/ec2-api.md section 1.1, and what
// that section says of lists.
func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		in, want any
	}{
		"CreateSecurityGroup":             {"GroupDescription=d&TagSpecification.1.Tag.2.Key=k&TagSpecification.1.ResourceType=r", new(ec2types.CreateSecurityGroupRequest), &ec2types.CreateSecurityGroupRequest{Description: ptr("d"), TagSpecifications: []ec2types.TagSpecification{{ResourceType: ptr("r"), Tags: []ec2types.Tag{{Key: ptr("k")}}}}}},
		"filters":                         {"Filter.1.Name=a&Filter.1.Value.1=b&Filter.1.Value.2=c", new(ec2types.DescribeVpcsRequest), &ec2types.DescribeVpcsRequest{Filters: []ec2types.Filter{{Name: ptr("a"), Values: []string{"b", "c"}}}}},
		"permissions":                     {"IpPermissions.1.Groups.2.GroupId=g&IpPermissions.1.FromPort=-1", new(ec2types.AuthorizeSecurityGroupIngressRequest), &ec2types.AuthorizeSecurityGroupIngressRequest{IpPermissions: []ec2types.IpPermission{{FromPort: ptr(int32(-1)), UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: ptr("g")}}}}}},
		"rule ids":                        {"SecurityGroupRuleId.1=r", new(ec2types.RevokeSecurityGroupEgressRequest), &ec2types.RevokeSecurityGroupEgressRequest{SecurityGroupRuleIds: []string{"r"}}},
		"ModifySecurityGroupRules":        {"SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=c", new(ec2types.ModifySecurityGroupRulesRequest), &ec2types.ModifySecurityGroupRulesRequest{SecurityGroupRules: []ec2types.SecurityGroupRuleUpdate{{SecurityGroupRule: &ec2types.SecurityGroupRuleRequest{CidrIpv4: ptr("c")}}}}},
		"rule descriptions":               {"SecurityGroupRuleDescription.1.Description=d", new(ec2types.UpdateSecurityGroupRuleDescriptionsEgressRequest), &ec2types.UpdateSecurityGroupRuleDescriptionsEgressRequest{SecurityGroupRuleDescriptions: []ec2types.SecurityGroupRuleDescription{{Description: ptr("d")}}}},
		"CreateNetworkInterface":          {"SecurityGroupId.1=g&PrivateIpAddresses.1.PrivateIpAddress=p&Ipv6Addresses.1.Ipv6Address=i", new(ec2types.CreateNetworkInterfaceRequest), &ec2types.CreateNetworkInterfaceRequest{Groups: []string{"g"}, PrivateIpAddresses: []ec2types.PrivateIpAddressSpecification{{PrivateIpAddress: ptr("p")}}, Ipv6Addresses: []ec2types.InstanceIpv6Address{{Ipv6Address: ptr("i")}}}},
		"ModifyNetworkInterfaceAttribute": {"SecurityGroupId.1=g&SourceDestCheck.Value=false", new(ec2types.ModifyNetworkInterfaceAttributeRequest), &ec2types.ModifyNetworkInterfaceAttributeRequest{Groups: []string{"g"}, SourceDestCheck: &ec2types.AttributeBooleanValue{Value: ptr(false)}}},
		"AssignPrivateIpAddresses":        {"PrivateIpAddress.1=p", new(ec2types.AssignPrivateIpAddressesRequest), &ec2types.AssignPrivateIpAddressesRequest{PrivateIpAddresses: []string{"p"}}},
		"AssignIpv6Addresses":             {"Ipv6Addresses.1=p", new(ec2types.AssignIpv6AddressesRequest), &ec2types.AssignIpv6AddressesRequest{Ipv6Addresses: []string{"p"}}},
		"RunInstances":                    {"SecurityGroupId.1=i&SecurityGroup.1=n&NetworkInterface.1.SecurityGroupId.1=g&Ipv6Address.1.Ipv6Address=a", new(ec2types.RunInstancesRequest), &ec2types.RunInstancesRequest{SecurityGroupIds: []string{"i"}, SecurityGroups: []string{"n"}, NetworkInterfaces: []ec2types.InstanceNetworkInterfaceSpecification{{Groups: []string{"g"}}}, Ipv6Addresses: []ec2types.InstanceIpv6Address{{Ipv6Address: ptr("a")}}}},
		"ModifyInstanceAttribute":         {"GroupId.1=g&UserData.Value=aGk%3D", new(ec2types.ModifyInstanceAttributeRequest), &ec2types.ModifyInstanceAttributeRequest{Groups: []string{"g"}, UserData: &ec2types.BlobAttributeValue{Value: []byte("hi")}}},
		"launch templates":                {"LaunchTemplateData.NetworkInterface.1.SubnetId=s", new(ec2types.CreateLaunchTemplateRequest), &ec2types.CreateLaunchTemplateRequest{LaunchTemplateData: &ec2types.RequestLaunchTemplateData{NetworkInterfaces: []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{SubnetId: ptr("s")}}}}},
		"template versions":               {"LaunchTemplateVersion.1=v", new(ec2types.DescribeLaunchTemplateVersionsRequest), &ec2types.DescribeLaunchTemplateVersionsRequest{Versions: []string{"v"}}},
		"ModifyLaunchTemplate":            {"SetDefaultVersion=2", new(ec2types.ModifyLaunchTemplateRequest), &ec2types.ModifyLaunchTemplateRequest{DefaultVersion: ptr("2")}},
		"CreateTags":                      {"ResourceId.1=r&Tag.1.Key=k&Tag.1.Value=", new(ec2types.CreateTagsRequest), &ec2types.CreateTagsRequest{Resources: []string{"r"}, Tags: []ec2types.Tag{{Key: ptr("k"), Value: ptr("")}}}},
		"CreateManagedPrefixList":         {"Entry.1.Cidr=c&MaxEntries=5", new(ec2types.CreateManagedPrefixListRequest), &ec2types.CreateManagedPrefixListRequest{Entries: []ec2types.AddPrefixListEntry{{Cidr: ptr("c")}}, MaxEntries: ptr(int32(5))}},
		"ModifyManagedPrefixList":         {"AddEntry.1.Cidr=c&RemoveEntry.1.Cidr=d&CurrentVersion=9", new(ec2types.ModifyManagedPrefixListRequest), &ec2types.ModifyManagedPrefixListRequest{AddEntries: []ec2types.AddPrefixListEntry{{Cidr: ptr("c")}}, RemoveEntries: []ec2types.RemovePrefixListEntry{{Cidr: ptr("d")}}, CurrentVersion: ptr(int64(9))}},
		"DescribeAccountAttributes":       {"AttributeName.1=default-vpc", new(ec2types.DescribeAccountAttributesRequest), &ec2types.DescribeAccountAttributesRequest{AttributeNames: []string{"default-vpc"}}},

		"order and gaps":              {"VpcId.10=c&VpcId.2=a&VpcId.900000000=d&VpcId.9=b", new(ec2types.DescribeVpcsRequest), &ec2types.DescribeVpcsRequest{VpcIds: []string{"a", "b", "c", "d"}}},
		"empty value of a list":       {"IpPermissions.1.IpProtocol=tcp&IpPermissions.1.IpRanges=", new(ec2types.AuthorizeSecurityGroupIngressRequest), &ec2types.AuthorizeSecurityGroupIngressRequest{IpPermissions: []ec2types.IpPermission{{IpProtocol: ptr("tcp")}}}},
		"empty value, then a member":  {"IpPermissions.1.IpRanges=&IpPermissions.1.IpRanges.1.CidrIp=c", new(ec2types.AuthorizeSecurityGroupIngressRequest), &ec2types.AuthorizeSecurityGroupIngressRequest{IpPermissions: []ec2types.IpPermission{{IpRanges: []ec2types.IpRange{{CidrIp: ptr("c")}}}}}},
		"empty value of an element":   {"IpPermissions.1=&IpPermissions.2.IpProtocol=-1", new(ec2types.AuthorizeSecurityGroupIngressRequest), &ec2types.AuthorizeSecurityGroupIngressRequest{IpPermissions: []ec2types.IpPermission{{IpProtocol: ptr("-1")}}}},
		"empty value of a structure":  {"SourceDestCheck=", new(ec2types.ModifyNetworkInterfaceAttributeRequest), &ec2types.ModifyNetworkInterfaceAttributeRequest{}},
		"holding nothing but empties": {"IpPermissions.1.IpRanges.1=&IpPermissions.1.Groups=", new(ec2types.AuthorizeSecurityGroupIngressRequest), &ec2types.AuthorizeSecurityGroupIngressRequest{}},
		"empty string is a value":     {"GroupName=&VpcId", new(ec2types.CreateSecurityGroupRequest), &ec2types.CreateSecurityGroupRequest{GroupName: ptr(""), VpcId: ptr("")}},
		"empty string in a list":      {"VpcId.1=", new(ec2types.DescribeVpcsRequest), &ec2types.DescribeVpcsRequest{VpcIds: []string{""}}},
		"plus, percent, UTF-8":        {"GroupName=a+b%2Bc%20%C3%BC&&", new(ec2types.CreateSecurityGroupRequest), &ec2types.CreateSecurityGroupRequest{GroupName: ptr("a b+c ü")}},
		"booleans":                    {"DryRun=TRUE&AmazonProvidedIpv6CidrBlock=0", new(ec2types.CreateVpcRequest), &ec2types.CreateVpcRequest{DryRun: ptr(true), AmazonProvidedIpv6CidrBlock: ptr(false)}},
		"time":                        {"StartTime=2025-03-28T02:42:00%2B01:00", new(ec2types.DescribeNetworkInsightsAnalysesRequest), nil},
		"lists of the older protocol": {"PolicyArns.member.2.arn=b&PolicyArns.member.1.arn=a&DurationSeconds=900", new(ststypes.AssumeRoleRequest), &ststypes.AssumeRoleRequest{PolicyArns: []ststypes.PolicyDescriptorType{{Arn: ptr("a")}, {Arn: ptr("b")}}, DurationSeconds: ptr(int32(900))}},
		"empty list of the older one": {"Tags=&TransitiveTagKeys.member=", new(ststypes.AssumeRoleRequest), &ststypes.AssumeRoleRequest{}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "time" {
				c.body = strings.Replace(c.body, "StartTime", "AnalysisStartTime", 1)
				in := new(ec2types.DescribeNetworkInsightsAnalysesRequest)
				if err := decode(t, c.body, in); err != nil || in.AnalysisStartTime == nil || !in.AnalysisStartTime.Equal(time.Date(2025, 3, 28, 1, 42, 0, 0, time.UTC)) {
					t.Errorf("got %v, %v", in.AnalysisStartTime, err)
				}
				return
			}
			if err := decode(t, c.body, c.in); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.in); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRefusedParameters(t *testing.T) {
	unknown := func(name string) secgroup.Error {
		return secgroup.Error{Code: "UnknownParameter", Message: "The parameter " + name + " is not recognized"}
	}
	value := func(message string) secgroup.Error {
		return secgroup.Error{Code: "InvalidParameterValue", Message: message}
	}
	group := func() any { return new(ec2types.CreateSecurityGroupRequest) }
	authorize := func() any { return new(ec2types.AuthorizeSecurityGroupIngressRequest) }
	role := func() any { return new(ststypes.AssumeRoleRequest) }
	long := strings.Repeat("x", 1000)
	for _, c := range []struct {
		body string
		in   func() any
		want secgroup.Error
	}{
		{"Description=d", group, unknown("Description")},
		{"groupName=g", group, unknown("groupName")},
		{"GroupName.1=g", group, unknown("GroupName.1")},
		{"GroupName=g&GroupName.1=g", group, unknown("GroupName.1")},
		{"GroupName.=g", group, unknown("GroupName.")},
		{"=g", group, unknown("")},
		{"..=g", group, unknown("..")},
		{"X-Amz-Date=x", group, unknown("X-Amz-Date")},
		{long + "=g", group, unknown(long[:256] + "…")},
		{"TagSpecification=x", group, unknown("TagSpecification")},
		{"TagSpecification.0.ResourceType=x", group, unknown("TagSpecification.0.ResourceType")},
		{"TagSpecification.01.ResourceType=x", group, unknown("TagSpecification.01.ResourceType")},
		{"TagSpecification.-1.ResourceType=x", group, unknown("TagSpecification.-1.ResourceType")},
		{"TagSpecification.1000000000.ResourceType=x", group, unknown("TagSpecification.1000000000.ResourceType")},
		{"TagSpecification.99999999999999999999.ResourceType=x", group, unknown("TagSpecification.99999999999999999999.ResourceType")},
		{"TagSpecification.member.1.ResourceType=x", group, unknown("TagSpecification.member.1.ResourceType")},
		{"TagSpecification.1.Foo=x", group, unknown("TagSpecification.1.Foo")},
		{"TagSpecification.1=x", group, unknown("TagSpecification.1")},
		{"TagSpecification.1.=x", group, unknown("TagSpecification.1.")},
		{"IpPermissions.1.UserIdGroupPairs.1.GroupId=x", authorize, unknown("IpPermissions.1.UserIdGroupPairs.1.GroupId")},
		{"PolicyArns.1.arn=x", role, unknown("PolicyArns.1.arn")},
		{"PolicyArns.member.x.arn=x", role, unknown("PolicyArns.member.x.arn")},
		{"PolicyArns.member.1.Arn=x", role, unknown("PolicyArns.member.1.Arn")},
		{"FromPort=x", authorize, value("Invalid value 'x' for integer.")},
		{"FromPort=", authorize, value("Invalid value '' for integer.")},
		{"FromPort=%2B1", authorize, value("Invalid value '+1' for integer.")},
		{"FromPort=1.0", authorize, value("Invalid value '1.0' for integer.")},
		{"FromPort=2147483648", authorize, value("Invalid value '2147483648' for integer.")},
		{"IpPermissions.1.ToPort=0x10", authorize, value("Invalid value '0x10' for integer.")},
		{"DryRun=yes", authorize, value("Invalid value 'yes' for boolean.")},
		{"DryRun=", authorize, value("Invalid value '' for boolean.")},
		{"AnalysisStartTime=yesterday", func() any { return new(ec2types.DescribeNetworkInsightsAnalysesRequest) }, value("Invalid value 'yesterday' for timestamp.")},
		{"CurrentVersion=9223372036854775808", func() any { return new(ec2types.ModifyManagedPrefixListRequest) }, value("Invalid value '9223372036854775808' for long.")},
		{"UserData.Value=*", func() any { return new(ec2types.ModifyInstanceAttributeRequest) }, value("Invalid value '*' for blob.")},
		{"GroupName=%ff", group, value("The value of parameter GroupName is not valid UTF-8.")},
		{"GroupName=%f", group, secgroup.Error{Code: "MalformedQueryString", Message: "The query string contains a syntax error."}},
		{"%=", group, secgroup.Error{Code: "MalformedQueryString", Message: "The query string contains a syntax error."}},
		{"GroupName=a&VpcId=v&GroupName=b", group, secgroup.Error{Code: "InvalidParameterCombination", Message: "The parameter GroupName may be given only once."}},
		{"Action=a&Action=b", group, secgroup.Error{Code: "InvalidParameterCombination", Message: "The parameter Action may be given only once."}},
	} {
		e := new(secgroup.Error)
		if err := decode(t, c.body, c.in()); !errors.As(err, &e) || *e != c.want {
			t.Errorf("%.80s: got %v, want %v", c.body, err, &c.want)
		}
	}
}

func TestQueryStringAndBody(t *testing.T) {
	f, err := ParseForm("Action=A&Version=2016-11-15&GroupName=query&VpcId=v&X-Amz-Signature=s", []byte("GroupName=body"))
	if err != nil {
		t.Fatal(err)
	}
	in := new(ec2types.CreateSecurityGroupRequest)
	if err := f.Decode(in); err != nil {
		t.Fatal(err)
	}
	if f.Action() != "A" || f.Version() != "2016-11-15" || *in.GroupName != "body" || *in.VpcId != "v" {
		t.Errorf("got action %s, version %s, %s, %s", f.Action(), f.Version(), *in.GroupName, *in.VpcId)
	}
}

// The order of names is a total order, so that what belongs together stays
// together whatever a caller sends.
func TestOrderOfNames(t *testing.T) {
	parts := []string{"1", "2", "9", "10", "11", "01", "1a", "9a", "a", "A", "", "-1", "ü"}
	rng := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		var s []string
		for range 1 + rng.IntN(3) {
			s = append(s, parts[rng.IntN(len(parts))])
		}
		return strings.Join(s, ".")
	}
	sign := func(n int) int { return min(1, max(-1, n)) }
	for range 200_000 {
		a, b, c := name(), name(), name()
		ab, bc, ac := sign(compareNames(a, b)), sign(compareNames(b, c)), sign(compareNames(a, c))
		if ab != -sign(compareNames(b, a)) || (ab == 0) != (a == b) || ab < 0 && bc < 0 && ac >= 0 {
			t.Fatalf("%q %q %q: %d %d %d", a, b, c, ab, bc, ac)
		}
	}
}

func TestMissing(t *testing.T) {
	in := new(ec2types.ModifySecurityGroupRulesRequest)
	for _, step := range []struct {
		body, want string
	}{
		{"", "GroupId"},
		{"GroupId=&SecurityGroupRule.1.SecurityGroupRuleId=r", "GroupId"},
		{"GroupId=g", "SecurityGroupRule"},
		{"GroupId=g&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=c", "SecurityGroupRule.1.SecurityGroupRuleId"},
		{"GroupId=g&SecurityGroupRule.1.SecurityGroupRuleId=r", ""},
	} {
		*in = ec2types.ModifySecurityGroupRulesRequest{}
		if err := decode(t, step.body, in); err != nil {
			t.Fatal(err)
		}
		if got, ok := wire.Missing(in); got != step.want || ok != (step.want != "") {
			t.Errorf("%q: %q is missing, want %q", step.body, got, step.want)
		}
	}
}

// A body of some MiB with its indexes in disorder decodes in order and at once.
func TestLargeBody(t *testing.T) {
	const n = 100_000
	var b strings.Builder
	for _, i := range rand.New(rand.NewPCG(3, 4)).Perm(n) {
		fmt.Fprintf(&b, "VpcId.%d=vpc-%d&", 7*i+1, i)
	}
	in := new(ec2types.DescribeVpcsRequest)
	if err := decode(t, b.String(), in); err != nil {
		t.Fatal(err)
	}
	if len(in.VpcIds) != n {
		t.Fatalf("got %d ids, want %d", len(in.VpcIds), n)
	}
	for i, got := range in.VpcIds {
		if want := fmt.Sprintf("vpc-%d", i); got != want {
			t.Fatalf("id %d is %s, want %s", i, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8&IpPermissions.1.FromPort=22&GroupId=sg-1")
	// As the AWS CLI, Terraform and a JavaScript SDK send them.
	f.Add("Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId=sg-0123456789abcdef0&IpPermissions.1.FromPort=22&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.IpRanges.1.CidrIp=192.0.2.0%2F24&IpPermissions.1.ToPort=22")
	f.Add("Action=AuthorizeSecurityGroupIngress&GroupId=sg-0123456789abcdef0&IpPermissions.1.FromPort=0&IpPermissions.1.Groups.1.GroupId=sg-0123456789abcdef1&IpPermissions.1.IpProtocol=-1&IpPermissions.1.ToPort=0&TagSpecification.1.ResourceType=security-group-rule&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=a+b&Version=2016-11-15")
	f.Add("IpPermissions.1.IpRanges=&IpPermissions.1.Groups=&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=%3A%3A%2F0&IpPermissions.1.IpProtocol=icmpv6")
	f.Add("IpPermissions.1=&IpPermissions.01.=%00&&=&.1=2")
	f.Add("IpPermissions.9.Groups.1a.GroupId=1&IpPermissions.10.Groups=x&IpPermissions.1a=")
	f.Fuzz(func(t *testing.T, body string) {
		in := new(ec2types.AuthorizeSecurityGroupIngressRequest)
		err := decode(t, body, in)
		e := new(secgroup.Error)
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%q: %v is no answer for a client", body, err)
		}
		if err == nil && len(in.IpPermissions) > strings.Count(body, "&")+1 {
			t.Errorf("%q makes %d permissions", body, len(in.IpPermissions))
		}
	})
}
