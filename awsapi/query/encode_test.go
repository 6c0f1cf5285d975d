// SPDX-License-Identifier: Apache-2.0

package query

import (
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/sts/ststypes"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const id = "d6fae0e0-9a5b-4f3c-9d0e-0f1d2c3b4a59"

func ec2(operation string, out any) []byte {
	return EC2Result(nil, ec2types.Model, ec2types.Model.Operations[operation], id, out)
}

// Each file holds the whole answer. Lines are broken before the elements for
// reading; the answer itself is one line.
func TestGolden(t *testing.T) {
	at := time.Date(2025, 3, 28, 3, 42, 0, 0, time.FixedZone("CET", 3600))
	for name, got := range map[string][]byte{
		"create-security-group": ec2("CreateSecurityGroup", &ec2types.CreateSecurityGroupResult{GroupId: ptr("sg-0123456789abcdef0"), SecurityGroupArn: ptr("arn:aws:ec2:us-east-1:111122223333:security-group/sg-0123456789abcdef0")}),
		"delete-vpc":            ec2("DeleteVpc", (*ec2types.DeleteVpcResult)(nil)),
		"describe-security-groups": ec2("DescribeSecurityGroups", &ec2types.DescribeSecurityGroupsResult{SecurityGroups: []ec2types.SecurityGroup{{
			GroupId: ptr("sg-1"), GroupName: ptr(`a<b>&"c"`), Description: ptr("tab\there, bell\a, \uFFFF, \xff, return\r"),
			IpPermissions: []ec2types.IpPermission{{
				IpProtocol: ptr("tcp"), FromPort: ptr(int32(22)), ToPort: ptr(int32(22)),
				IpRanges:   []ec2types.IpRange{{CidrIp: ptr("10.0.0.0/8"), Description: ptr("")}, {CidrIp: ptr("192.0.2.1/32")}},
				Ipv6Ranges: []ec2types.Ipv6Range{}, PrefixListIds: []ec2types.PrefixListId{}, UserIdGroupPairs: []ec2types.UserIdGroupPair{},
			}},
			IpPermissionsEgress: []ec2types.IpPermission{},
		}}}),
		"describe-no-vpcs":   ec2("DescribeVpcs", &ec2types.DescribeVpcsResult{Vpcs: []ec2types.Vpc{}}),
		"run-instances":      ec2("RunInstances", &ec2types.Reservation{ReservationId: ptr("r-1"), Instances: []ec2types.Instance{{InstanceId: ptr("i-1"), LaunchTime: &at, AmiLaunchIndex: ptr(int32(0)), EbsOptimized: ptr(false)}}}),
		"launch-template":    ec2("DescribeLaunchTemplateVersions", &ec2types.DescribeLaunchTemplateVersionsResult{LaunchTemplateVersions: []ec2types.LaunchTemplateVersion{{VersionNumber: ptr(int64(1) << 40), LaunchTemplateData: &ec2types.ResponseLaunchTemplateData{NetworkInterfaces: []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecification{{Groups: []string{"sg-1", "sg-2"}}}}}}}),
		"ec2-error":          EC2Error("InvalidGroup.NotFound", "The security group '<a&b>' does not exist", id),
		"sts-error":          AWSError(ststypes.Model, "Sender", "InvalidClientTokenId", "no & no", id),
		"assume-role":        AWSResult(nil, ststypes.Model, ststypes.Model.Operations["AssumeRole"], id, &ststypes.AssumeRoleResponse{Credentials: &ststypes.Credentials{AccessKeyId: ptr("ASIA"), Expiration: &at}}),
		"get-caller-nothing": AWSResult(nil, ststypes.Model, ststypes.Model.Operations["GetCallerIdentity"], id, nil),
	} {
		wellFormed(t, name, got)
		text := strings.ReplaceAll(string(got), "><", ">\n<")
		golden := filepath.Join("testdata", name+".xml")
		if *update {
			if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, text, want)
		}
	}
}

func wellFormed(t *testing.T, name string, text []byte) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

// permissions is a group of n rules in the grouped view.
func permissions(n int) *ec2types.DescribeSecurityGroupsResult {
	g := ec2types.SecurityGroup{GroupId: ptr("sg-1"), GroupName: ptr("web")}
	for i := range n {
		g.IpPermissions = append(g.IpPermissions, ec2types.IpPermission{IpProtocol: ptr("tcp"), FromPort: ptr(int32(i)), ToPort: ptr(int32(i)), IpRanges: []ec2types.IpRange{{CidrIp: ptr("10.0.0.0/8"), Description: ptr("office")}}})
	}
	return &ec2types.DescribeSecurityGroupsResult{SecurityGroups: []ec2types.SecurityGroup{g}}
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 60} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			out := permissions(n)
			b.ReportAllocs()
			for b.Loop() {
				ec2("DescribeSecurityGroups", out)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 60} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			var form strings.Builder
			form.WriteString("Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId=sg-0123456789abcdef0")
			for i := 1; i <= n; i++ {
				fmt.Fprintf(&form, "&IpPermissions.%d.IpProtocol=tcp&IpPermissions.%d.FromPort=%d&IpPermissions.%d.ToPort=%d&IpPermissions.%d.IpRanges.1.CidrIp=10.0.0.0%%2F8", i, i, i, i, i, i)
			}
			body := []byte(form.String())
			b.ReportAllocs()
			for b.Loop() {
				f, err := ParseForm("", body)
				if err != nil {
					b.Fatal(err)
				}
				if err := f.Decode(new(ec2types.AuthorizeSecurityGroupIngressRequest)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
