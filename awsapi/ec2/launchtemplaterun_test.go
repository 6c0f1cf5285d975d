// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"encoding/base64"
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// from returns a launch of one instance from a template's version.
func from(id *string, version *string, change func(*sdk.RunInstancesInput)) *sdk.RunInstancesInput {
	in := &sdk.RunInstancesInput{
		MinCount: new(int32(1)), MaxCount: new(int32(1)),
		LaunchTemplate: &sdktypes.LaunchTemplateSpecification{LaunchTemplateId: id, Version: version},
	}
	if change != nil {
		change(in)
	}
	return in
}

func (s *site) runFrom(t *testing.T, id *string, version *string, change func(*sdk.RunInstancesInput)) sdktypes.Instance {
	t.Helper()
	return must(s.RunInstances(t.Context(), from(id, version, change)))(t).Instances[0]
}

func groupsOf(i sdktypes.Instance) (ids []string) {
	for _, g := range i.SecurityGroups {
		ids = append(ids, *g.GroupId)
	}
	return ids
}

func tagsOf(tags []sdktypes.Tag) map[string]string {
	out := map[string]string{}
	for _, tag := range tags {
		out[*tag.Key] = *tag.Value
	}
	return out
}

// TestLaunchFromTemplate is API-I12: the request's members win, one by one.
func TestLaunchFromTemplate(t *testing.T) {
	s := newSite(t)
	script := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh"))
	id := s.template(t, "web", &templateData{
		ImageId: new("ami-netns"), InstanceType: "t3.micro", SecurityGroupIds: s.groups[:1], UserData: &script, DisableApiTermination: new(true),
		TagSpecifications: []sdktypes.LaunchTemplateTagSpecificationRequest{{ResourceType: "instance", Tags: []sdktypes.Tag{
			{Key: new("Name"), Value: new("template")}, {Key: new("kept"), Value: new("yes")},
		}}},
	})
	plain := s.runFrom(t, id, nil, func(in *sdk.RunInstancesInput) { in.SubnetId = &s.subnet })
	if got := groupsOf(plain); !slices.Equal(got, s.groups[:1]) || plain.InstanceType != "t3.micro" || *plain.ImageId != "ami-netns" {
		t.Errorf("from the template: groups %q, %+v", got, plain)
	}
	row := s.control.Read().Instances.Get(*plain.InstanceId)
	if string(row.UserData) != "#!/bin/sh" || !row.Options.NoTermination {
		t.Errorf("from the template: %+v", row)
	}
	tags := tagsOf(plain.Tags)
	if tags["aws:ec2launchtemplate:id"] != *id || tags["aws:ec2launchtemplate:version"] != "1" || tags["Name"] != "template" {
		t.Errorf("tags %v", tags)
	}

	own := s.runFrom(t, id, new("$Default"), func(in *sdk.RunInstancesInput) {
		in.SubnetId, in.SecurityGroupIds, in.InstanceType = &s.subnet, s.groups[1:], "t3.small"
		in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "instance", Tags: []sdktypes.Tag{{Key: new("Name"), Value: new("request")}}}}
	})
	if got := groupsOf(own); !slices.Equal(got, s.groups[1:]) || own.InstanceType != "t3.small" {
		t.Errorf("with a request's own: groups %q, type %s", got, own.InstanceType)
	}
	if tags := tagsOf(own.Tags); tags["Name"] != "request" || tags["kept"] != "yes" || len(tags) != 4 {
		t.Errorf("with a request's own: tags %v", tags)
	}

	// Interfaces of the newest version; the default stays the first.
	s.version(t, id, new("1"), &templateData{NetworkInterfaces: []sdktypes.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{
		{DeviceIndex: new(int32(0)), SubnetId: &s.subnet, Groups: s.groups},
	}})
	s.version(t, id, nil, &templateData{ImageId: new("ami-netns"), NetworkInterfaces: []sdktypes.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{
		{DeviceIndex: new(int32(0)), SubnetId: &s.subnet, Groups: s.groups, PrivateIpAddress: new("10.0.0.77")},
	}})
	newest := s.runFrom(t, id, new("$Latest"), nil)
	if got := groupsOf(newest); !slices.Equal(got, s.groups) || *newest.PrivateIpAddress != "10.0.0.77" {
		t.Errorf("newest version: groups %q, address %s", got, *newest.PrivateIpAddress)
	}
	_, err := s.RunInstances(t.Context(), from(id, new("2"), nil))
	refused(t, err, "InvalidParameterCombination: Network interfaces and an instance-level security groups may not be specified on the same request")
	_, err = s.RunInstances(t.Context(), from(id, new("3"), func(in *sdk.RunInstancesInput) { in.SecurityGroupIds = s.groups }))
	refused(t, err, "InvalidParameterCombination: Network interfaces and an instance-level security groups may not be specified on the same request")

	// Removing every tag leaves those of the service.
	must(s.DeleteTags(t.Context(), &sdk.DeleteTagsInput{Resources: []string{*plain.InstanceId}}))(t)
	if tags := tagsOf(s.instance(t, plain.InstanceId).Tags); len(tags) != 2 || tags["aws:ec2launchtemplate:id"] != *id {
		t.Errorf("after DeleteTags: %v", tags)
	}
}

// TestLaunchFromTemplateRefused shows that data are looked up when something is
// launched and not before.
func TestLaunchFromTemplateRefused(t *testing.T) {
	s := newSite(t)
	subnet := func(in *sdk.RunInstancesInput) { in.SubnetId = &s.subnet }
	for _, tt := range []struct {
		name string
		data templateData
		want string
	}{
		{"no image", templateData{InstanceType: "t3.micro"}, "MissingParameter: The request must contain the parameter ImageId"},
		{"unknown group", templateData{ImageId: new("ami-netns"), SecurityGroupIds: []string{"sg-12345678"}},
			"InvalidGroup.NotFound: The security group 'sg-12345678' does not exist in VPC '" + s.vpc + "'"},
		{"names with a subnet", templateData{ImageId: new("ami-netns"), SecurityGroups: []string{"web"}},
			"InvalidParameterCombination: The parameter groupName cannot be used with the parameter subnet"},
		{"market", templateData{ImageId: new("ami-netns"), InstanceMarketOptions: &sdktypes.LaunchTemplateInstanceMarketOptionsRequest{MarketType: "spot"}},
			errUnsupported.Error()},
		{"requirements", templateData{ImageId: new("ami-netns"), InstanceRequirements: &sdktypes.InstanceRequirementsRequest{
			VCpuCount: &sdktypes.VCpuCountRangeRequest{Min: new(int32(1))}, MemoryMiB: &sdktypes.MemoryMiBRequest{Min: new(int32(1))},
		}}, errUnsupported.Error()},
		{"reserved tag", templateData{ImageId: new("ami-netns"), TagSpecifications: []sdktypes.LaunchTemplateTagSpecificationRequest{
			{ResourceType: "instance", Tags: []sdktypes.Tag{{Key: new("aws:x"), Value: new("y")}}},
		}}, "InvalidParameterValue: Tag keys starting with 'aws:' are reserved for internal use"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := s.template(t, "template", &tt.data)
			defer s.DeleteLaunchTemplate(t.Context(), &sdk.DeleteLaunchTemplateInput{LaunchTemplateId: id})
			_, err := s.RunInstances(t.Context(), from(id, nil, subnet))
			refused(t, err, tt.want)
		})
	}
	if n := s.control.Read().Instances.Len(); n != 0 {
		t.Errorf("%d instances are left of refused launches", n)
	}
}

// TestLaunchFromTemplateRepeats is API-W7 for a template: a repeated call gets
// the same instance even when the template is gone.
func TestLaunchFromTemplateRepeats(t *testing.T) {
	s := newSite(t)
	id := s.template(t, "template", &templateData{ImageId: new("ami-netns"), SecurityGroupIds: s.groups})
	launch := func(in *sdk.RunInstancesInput) { in.SubnetId, in.ClientToken = &s.subnet, new("once") }
	first := s.runFrom(t, id, new("$Latest"), launch)
	s.version(t, id, nil, &templateData{ImageId: new("ami-none")})
	must(s.DeleteLaunchTemplate(t.Context(), &sdk.DeleteLaunchTemplateInput{LaunchTemplateId: id}))(t)
	if again := s.runFrom(t, id, new("$Latest"), launch); *again.InstanceId != *first.InstanceId {
		t.Errorf("made %s, then %s", *first.InstanceId, *again.InstanceId)
	}
	_, err := s.RunInstances(t.Context(), from(id, new("1"), launch))
	refused(t, err, "IdempotentParameterMismatch: The request uses the same client token as a previous, but non-identical request.")
}

// TestGetLaunchTemplateData shows that an instance's data launch its like.
func TestGetLaunchTemplateData(t *testing.T) {
	s := newSite(t)
	made := s.launch(t, func(in *sdk.RunInstancesInput) {
		in.SecurityGroupIds, in.PrivateIpAddress, in.InstanceType = s.groups, new("10.0.0.10"), "t3.micro"
		in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "instance", Tags: []sdktypes.Tag{{Key: new("Name"), Value: new("a")}}}}
	})
	d := must(s.GetLaunchTemplateData(t.Context(), &sdk.GetLaunchTemplateDataInput{InstanceId: made.InstanceId}))(t).LaunchTemplateData
	if *d.ImageId != "ami-netns" || d.InstanceType != "t3.micro" || *d.Placement.AvailabilityZone != "us-east-1a" || len(d.TagSpecifications) != 1 || d.UserData != nil {
		t.Errorf("data %+v", d)
	}
	if n := d.NetworkInterfaces; len(n) != 1 || !slices.Equal(n[0].Groups, s.groups) || *n[0].SubnetId != s.subnet || *n[0].PrivateIpAddresses[0].PrivateIpAddress != "10.0.0.10" || !*n[0].DeleteOnTermination {
		t.Errorf("interfaces %+v", n)
	}
	_, err := s.GetLaunchTemplateData(t.Context(), &sdk.GetLaunchTemplateDataInput{InstanceId: new("i-12345678")})
	refused(t, err, "InvalidInstanceID.NotFound: The instance ID 'i-12345678' does not exist")
}
