// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// as returns a client of a user of the rig's account who may do what a policy
// says.
func (r *rig) as(t *testing.T, user, policy string) *sdk.Client {
	t.Helper()
	ctx := t.Context()
	if _, err := r.control.PutPolicy(ctx, r.key.Account, user, policy); err != nil {
		t.Fatal(err)
	}
	if _, err := r.control.CreateUser(ctx, r.key.Account, user, []string{user}); err != nil {
		t.Fatal(err)
	}
	key, err := r.control.CreateAccessKey(ctx, r.key.Account, user)
	if err != nil {
		t.Fatal(err)
	}
	return r.with(key)
}

// with returns a client with a key.
func (r *rig) with(key *secgroup.AccessKey) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &r.url, HTTPClient: &http.Client{Transport: wholeAnswers{}}, RetryMaxAttempts: 1,
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(key.ID, key.Secret, "")),
	})
}

// unauthorized fails the test unless err refuses that action on that resource.
func unauthorized(t *testing.T, err error, action, resource string) {
	t.Helper()
	var e smithy.APIError
	want := "is not authorized to perform: " + action + " on resource: " + resource + " "
	switch {
	case err == nil:
		t.Errorf("succeeded, want: %s", want)
	case !errors.As(err, &e) || e.ErrorCode() != "UnauthorizedOperation" || !strings.Contains(e.ErrorMessage(), want):
		t.Errorf("%v, want: %s", err, want)
	}
}

func TestPoliciesDecideCalls(t *testing.T) {
	r := newRig(t, control.Config{})
	ctx := t.Context()
	root := "arn:aws:ec2:us-east-1:" + r.key.Account + ":"
	vpc := *must(r.CreateVpc(ctx, &sdk.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")}))(t).Vpc.VpcId
	other := *must(r.CreateVpc(ctx, &sdk.CreateVpcInput{CidrBlock: aws.String("10.1.0.0/16")}))(t).Vpc.VpcId
	bob := r.as(t, "bob", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["127.0.0.0/8","::1"]}}},
		{"Effect":"Deny","Action":"ec2:DescribeSubnets","Resource":"*"},
		{"Effect":"Allow","Action":"ec2:CreateSecurityGroup","Resource":["arn:aws:ec2:*:*:security-group/*","arn:aws:ec2:*:*:vpc/`+vpc+`"],
		 "Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["owner"]}}},
		{"Effect":"Allow","Action":"ec2:CreateTags","Resource":"*","Condition":{"StringEquals":{"ec2:CreateAction":"CreateSecurityGroup","aws:RequestTag/owner":"${aws:username}"}}},
		{"Effect":"Allow","Action":["ec2:AuthorizeSecurityGroup*","ec2:DeleteSecurityGroup"],"Resource":"*","Condition":{"StringEquals":{"ec2:ResourceTag/owner":"bob"},"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/`+vpc+`"}}}]}`)

	if _, err := bob.DescribeVpcs(ctx, &sdk.DescribeVpcsInput{}); err != nil {
		t.Error(err)
	}
	_, err := bob.DescribeSubnets(ctx, &sdk.DescribeSubnetsInput{})
	unauthorized(t, err, "ec2:DescribeSubnets", "*")
	if !strings.Contains(err.Error(), "with an explicit deny in an identity-based policy. Encoded authorization failure message: ") {
		t.Error(err)
	}
	_, err = bob.CreateVpc(ctx, &sdk.CreateVpcInput{CidrBlock: aws.String("10.2.0.0/16")})
	unauthorized(t, err, "ec2:CreateVpc", root+"vpc/*")
	_, text, _ := strings.Cut(err.Error(), "failure message: ")
	if refusal, err := r.control.Decode(text); err != nil || refusal.Action != "ec2:CreateVpc" || !strings.HasSuffix(refusal.Principal, ":user/bob") {
		t.Errorf("decoded: %+v, %v", refusal, err)
	}
	_, err = bob.CreateVpc(ctx, &sdk.CreateVpcInput{CidrBlock: aws.String("10.2.0.0/16"), DryRun: aws.Bool(true)})
	unauthorized(t, err, "ec2:CreateVpc", root+"vpc/*") // authorization comes before DryRun

	group := func(vpc, owner string) (string, error) {
		in := &sdk.CreateSecurityGroupInput{GroupName: aws.String("g-" + owner), Description: aws.String("d"), VpcId: &vpc}
		if owner != "" {
			in.TagSpecifications = []sdktypes.TagSpecification{{
				ResourceType: "security-group", Tags: []sdktypes.Tag{{Key: aws.String("owner"), Value: &owner}},
			}}
		}
		out, err := bob.CreateSecurityGroup(ctx, in)
		if err != nil {
			return "", err
		}
		return *out.GroupId, nil
	}
	mine, err := group(vpc, "bob")
	if err != nil {
		t.Fatal(err)
	}
	_, err = group(other, "bob")
	unauthorized(t, err, "ec2:CreateSecurityGroup", root+"vpc/"+other)
	_, err = group(vpc, "eve")
	unauthorized(t, err, "ec2:CreateTags", root+"security-group/*")

	open := func(id string) error {
		_, err := bob.AuthorizeSecurityGroupIngress(ctx, &sdk.AuthorizeSecurityGroupIngressInput{
			GroupId: &id, IpPermissions: []sdktypes.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), UserIdGroupPairs: []sdktypes.UserIdGroupPair{{GroupId: &id}}}},
		})
		return err
	}
	if err := open(mine); err != nil {
		t.Error(err)
	}
	theirs := *must(r.CreateSecurityGroup(ctx, &sdk.CreateSecurityGroupInput{GroupName: aws.String("theirs"), Description: aws.String("d"), VpcId: &vpc}))(t).GroupId
	unauthorized(t, open(theirs), "ec2:AuthorizeSecurityGroupIngress", root+"security-group/"+theirs)
	unauthorized(t, open("sg-00000000000000000"), "ec2:AuthorizeSecurityGroupIngress", root+"security-group/sg-00000000000000000")
	_, err = bob.CreateTags(ctx, &sdk.CreateTagsInput{Resources: []string{mine}, Tags: []sdktypes.Tag{{Key: aws.String("owner"), Value: aws.String("bob")}}})
	unauthorized(t, err, "ec2:CreateTags", root+"security-group/"+mine)

	if err := r.control.DetachPolicy(ctx, control.Bearer{Account: r.key.Account, User: "bob"}, "bob"); err != nil {
		t.Fatal(err)
	}
	_, err = bob.DescribeVpcs(ctx, &sdk.DescribeVpcsInput{})
	unauthorized(t, err, "ec2:DescribeVpcs", "*")
}

// A policy about groups must not be got around by naming them in another way.
func TestTouchedResources(t *testing.T) {
	r := newRig(t, control.Config{})
	scope := secgroup.Scope{Account: r.key.Account, Region: "us-east-1"}
	if err := r.control.EnsureRegion(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	snap := r.control.Read()
	vpc := control.DefaultVPC(snap, scope)
	var subnet string
	for s := range snap.Subnets.By("vpc", vpc.ID) {
		subnet = s.ID
	}
	group := "security-group/" + vpc.DefaultGroup
	text := func(s string) *string { return &s }
	for _, tc := range []struct {
		action string
		in     any
		want   []string
	}{
		{"DescribeVpcs", &ec2types.DescribeVpcsRequest{VpcIds: []string{vpc.ID}}, nil},
		{"DeleteSecurityGroup", &ec2types.DeleteSecurityGroupRequest{GroupName: text("default")}, []string{group}},
		{"CreateNetworkInterface", &ec2types.CreateNetworkInterfaceRequest{SubnetId: &subnet}, []string{group, "subnet/" + subnet, "network-interface/*"}},
		{"RunInstances", &ec2types.RunInstancesRequest{ImageId: text("ami-12345678"), SecurityGroups: []string{"default"}}, []string{group, "image/ami-12345678", "instance/*", "network-interface/*"}},
		{"RunInstances", &ec2types.RunInstancesRequest{}, []string{group, "instance/*", "network-interface/*"}},
		{"RunInstances", &ec2types.RunInstancesRequest{NetworkInterfaces: []ec2types.InstanceNetworkInterfaceSpecification{{SubnetId: &subnet}}}, []string{group, "subnet/" + subnet, "instance/*", "network-interface/*"}},
		{"ModifySecurityGroupRules", &ec2types.ModifySecurityGroupRulesRequest{GroupId: &vpc.DefaultGroup, SecurityGroupRules: []ec2types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: text("sgr-1"), SecurityGroupRule: &ec2types.SecurityGroupRuleRequest{ReferencedGroupId: text("sg-12345678")}}}}, []string{group, "security-group-rule/sgr-1"}},
		{"RevokeSecurityGroupIngress", &ec2types.RevokeSecurityGroupIngressRequest{GroupId: &vpc.DefaultGroup, SecurityGroupRuleIds: []string{"sgr-1"}}, []string{group}},
		{"CreateTags", &ec2types.CreateTagsRequest{Resources: []string{vpc.ID, subnet}, Tags: []ec2types.Tag{{Key: text("sg-12345678")}}}, []string{"vpc/" + vpc.ID, "subnet/" + subnet}},
		{"DisassociateVpcCidrBlock", &ec2types.DisassociateVpcCidrBlockRequest{AssociationId: &vpc.CIDRs[0].ID}, []string{"vpc/" + vpc.ID}},
		{"CreateVpcPeeringConnection", &ec2types.CreateVpcPeeringConnectionRequest{VpcId: &vpc.ID, PeerVpcId: text("vpc-12345678")}, []string{"vpc/vpc-12345678", "vpc/" + vpc.ID, "vpc-peering-connection/*"}},
	} {
		var got []string
		for _, one := range touched(snap, scope, tc.action, tc.in) {
			if one.arn != "*" {
				got = append(got, one.arn[strings.LastIndexByte(one.arn, ':')+1:])
			}
		}
		slices.Sort(got)
		slices.Sort(tc.want)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s touches %v, want %v", tc.action, got, tc.want)
		}
	}
}

// Every operation that changes something is judged by more than its own name:
// what it makes, or a field in which it names something.
func TestEveryChangeTouchesSomething(t *testing.T) {
	r := newRig(t, control.Config{})
	for _, name := range New(r.control).Offered() {
		if strings.HasPrefix(name, "Describe") {
			continue
		}
		in := ec2types.Model.Operations[name].NewInput()
		fillTexts(in, func(field string) string { return "vpc-0123456789abcdef0" })
		for _, one := range touched(r.control.Read(), secgroup.Scope{Account: r.key.Account, Region: "us-east-1"}, name, in) {
			if one.arn == "*" {
				t.Errorf("%s touches nothing in particular", name)
			}
		}
	}
}

// What a launch template names is judged as if the launch named it.
func TestTemplateIsNoWayAround(t *testing.T) {
	r := newRig(t, control.Config{})
	ctx := t.Context()
	vpc := must(r.DescribeVpcs(ctx, &sdk.DescribeVpcsInput{}))(t).Vpcs[0].VpcId
	group := must(r.CreateSecurityGroup(ctx, &sdk.CreateSecurityGroupInput{GroupName: aws.String("locked"), Description: aws.String("d"), VpcId: vpc}))(t).GroupId
	must(r.CreateLaunchTemplate(ctx, &sdk.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("through"), LaunchTemplateData: &sdktypes.RequestLaunchTemplateData{ImageId: aws.String("ami-12345678"), SecurityGroupIds: []string{*group}},
	}))(t)
	bob := r.as(t, "bob", `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"ec2:RunInstances","Resource":"arn:aws:ec2:*:*:security-group/`+*group+`"}]}`)
	_, err := bob.RunInstances(ctx, &sdk.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), LaunchTemplate: &sdktypes.LaunchTemplateSpecification{LaunchTemplateName: aws.String("through")},
	})
	unauthorized(t, err, "ec2:RunInstances", "arn:aws:ec2:us-east-1:"+r.key.Account+":security-group/"+*group)
}
