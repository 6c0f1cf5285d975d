// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"reflect"
	"strconv"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
)

// TestEveryClientToken is API-W7 for every operation with a client token
// (docs/spec/ec2-api.md section 1.7): a new one must be added here.
func TestEveryClientToken(t *testing.T) {
	s := newSite(t)
	id := s.template(t, "template", &templateData{ImageId: new("ami-netns")})
	address := must(s.AllocateAddress(t.Context(), &sdk.AllocateAddressInput{}))(t).AllocationId
	calls := map[string]func(token *string, text string) (made string, err error){
		"CreateNetworkInterface": func(token *string, text string) (string, error) {
			out, err := s.CreateNetworkInterface(t.Context(), &sdk.CreateNetworkInterfaceInput{ClientToken: token, SubnetId: &s.subnet, Description: &text})
			if err != nil {
				return "", err
			}
			return *out.NetworkInterface.NetworkInterfaceId, nil
		},
		"RunInstances": func(token *string, text string) (string, error) {
			out, err := s.RunInstances(t.Context(), s.launching(func(in *sdk.RunInstancesInput) {
				in.ClientToken, in.AdditionalInfo = token, &text
			}))
			if err != nil {
				return "", err
			}
			return *out.Instances[0].InstanceId, nil
		},
		"CreateRouteTable": func(token *string, text string) (string, error) {
			out, err := s.CreateRouteTable(t.Context(), &sdk.CreateRouteTableInput{
				ClientToken: token, VpcId: new(s.control.Read().Subnets.Get(s.subnet).VPC),
				TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "route-table", Tags: []sdktypes.Tag{{Key: new("k"), Value: &text}}}},
			})
			if err != nil {
				return "", err
			}
			return *out.RouteTable.RouteTableId, nil
		},
		"CreateVpcEndpoint": func(token *string, text string) (string, error) {
			out, err := s.CreateVpcEndpoint(t.Context(), &sdk.CreateVpcEndpointInput{
				ClientToken: token, VpcId: new(s.control.Read().Subnets.Get(s.subnet).VPC), VpcEndpointType: "Interface",
				ServiceName: new("com.amazonaws.us-east-1.appstream.api"), SubnetIds: []string{s.subnet},
				TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "vpc-endpoint", Tags: []sdktypes.Tag{{Key: new("k"), Value: &text}}}},
			})
			if err != nil {
				return "", err
			}
			return *out.VpcEndpoint.VpcEndpointId, nil
		},
		"CreateNatGateway": func(token *string, text string) (string, error) {
			out, err := s.CreateNatGateway(t.Context(), &sdk.CreateNatGatewayInput{
				ClientToken: token, SubnetId: &s.subnet, AllocationId: address,
				TagSpecifications: []sdktypes.TagSpecification{{ResourceType: "natgateway", Tags: []sdktypes.Tag{{Key: new("k"), Value: &text}}}},
			})
			if err != nil {
				return "", err
			}
			return *out.NatGateway.NatGatewayId, nil
		},
		"CreateManagedPrefixList": func(token *string, text string) (string, error) {
			out, err := s.CreateManagedPrefixList(t.Context(), &sdk.CreateManagedPrefixListInput{
				ClientToken: token, PrefixListName: &text, MaxEntries: new(int32(1)), AddressFamily: new("IPv4"),
			})
			if err != nil {
				return "", err
			}
			return *out.PrefixList.PrefixListId, nil
		},
		"CreateLaunchTemplate": func(token *string, text string) (string, error) {
			out, err := s.CreateLaunchTemplate(t.Context(), &sdk.CreateLaunchTemplateInput{
				ClientToken: token, LaunchTemplateName: &text, LaunchTemplateData: &templateData{ImageId: new("ami-netns")},
			})
			if err != nil {
				return "", err
			}
			return *out.LaunchTemplate.LaunchTemplateId, nil
		},
		"CreateLaunchTemplateVersion": func(token *string, text string) (string, error) {
			out, err := s.CreateLaunchTemplateVersion(t.Context(), &sdk.CreateLaunchTemplateVersionInput{
				ClientToken: token, LaunchTemplateId: id, VersionDescription: &text, LaunchTemplateData: &templateData{ImageId: new("ami-netns")},
			})
			if err != nil {
				return "", err
			}
			return strconv.FormatInt(*out.LaunchTemplateVersion.VersionNumber, 10), nil
		},
		"ModifyLaunchTemplate": func(token *string, text string) (string, error) {
			version := map[string]string{"one": "1", "two": "2"}[text]
			out, err := s.ModifyLaunchTemplate(t.Context(), &sdk.ModifyLaunchTemplateInput{ClientToken: token, LaunchTemplateId: id, DefaultVersion: &version})
			if err != nil {
				return "", err
			}
			return *out.LaunchTemplate.LaunchTemplateId, nil
		},
	}
	for _, name := range New(s.control).Offered() {
		in := reflect.TypeOf(ec2types.Model.Operations[name].NewInput()).Elem()
		if _, has := in.FieldByName("ClientToken"); has && calls[name] == nil {
			t.Errorf("%s has a client token and no case here", name)
		}
	}
	long := strings.Repeat("x", 65)
	for name, call := range calls {
		first, err := call(new("once"), "one")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again, err := call(new("once"), "one"); err != nil || again != first {
			t.Errorf("%s made %s, then %s, %v", name, first, again, err)
		}
		_, err = call(new("once"), "two")
		refused(t, err, "IdempotentParameterMismatch: The request uses the same client token as a previous, but non-identical request.")
		_, err = call(&long, "one")
		refused(t, err, "InvalidParameterValue: Value ("+long+") for parameter clientToken is invalid. Expecting at most 64 ASCII characters.")
	}
	if list := must(s.DescribeLaunchTemplateVersions(t.Context(), &sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id}))(t).LaunchTemplateVersions; len(list) != 2 {
		t.Errorf("%d versions, want 2", len(list))
	}
	n := 0
	for i := range s.control.Read().Instances.All() {
		if i.Streaming == nil { // those of endpoint and gateway are the service's
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d instances, want 1", n)
	}
}

// TestModifyOnce shows that a repeated ModifyLaunchTemplate undoes nothing that
// came after it.
func TestModifyOnce(t *testing.T) {
	s := newSite(t)
	id := s.template(t, "template", &templateData{ImageId: new("ami-netns")})
	s.version(t, id, nil, &templateData{ImageId: new("ami-netns")})
	modify := func(token, version string) sdktypes.LaunchTemplate {
		return *must(s.ModifyLaunchTemplate(t.Context(), &sdk.ModifyLaunchTemplateInput{ClientToken: &token, LaunchTemplateId: id, DefaultVersion: &version}))(t).LaunchTemplate
	}
	modify("a", "2")
	modify("b", "1")
	if got := modify("a", "2"); *got.DefaultVersionNumber != 1 {
		t.Errorf("the default is %d again", *got.DefaultVersionNumber)
	}
}

// TestEveryTokenIsACase wants a case of testdata/conformance, with a clock, for
// every operation that has a client token.
func TestEveryTokenIsACase(t *testing.T) {
	cases := map[string]bool{}
	for _, scene := range readScripts(t, "testdata/conformance") {
		cases[scene.name] = true
	}
	s := newSite(t)
	n := 0
	for _, name := range New(s.control).Offered() {
		in := reflect.TypeOf(ec2types.Model.Operations[name].NewInput()).Elem()
		if _, has := in.FieldByName("ClientToken"); !has {
			continue
		}
		if n++; !cases["tokens/token "+name] {
			t.Errorf("%s has a client token and no case", name)
		}
	}
	if n == 0 {
		t.Error("no operation has a client token; the test itself is broken")
	}
}
