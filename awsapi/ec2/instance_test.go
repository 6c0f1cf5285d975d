// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// launching returns a request for one instance in the site's subnet, changed.
func (s *site) launching(change func(*sdk.RunInstancesInput)) *sdk.RunInstancesInput {
	in := &sdk.RunInstancesInput{ImageId: new("ami-netns"), MinCount: new(int32(1)), MaxCount: new(int32(1)), SubnetId: &s.subnet}
	if change != nil {
		change(in)
	}
	return in
}

func (s *site) launch(t *testing.T, change func(*sdk.RunInstancesInput)) sdktypes.Instance {
	t.Helper()
	return must(s.RunInstances(t.Context(), s.launching(change)))(t).Instances[0]
}

func (s *site) instance(t *testing.T, id *string) sdktypes.Instance {
	t.Helper()
	return must(s.DescribeInstances(t.Context(), &sdk.DescribeInstancesInput{InstanceIds: []string{*id}}))(t).Reservations[0].Instances[0]
}

func (s *site) report(t *testing.T, id *string, state secgroup.InstanceState) {
	t.Helper()
	if err := s.control.ReportInstance(t.Context(), "local", *id, state, ""); err != nil {
		t.Fatal(err)
	}
}

func TestInstance(t *testing.T) {
	s := newSite(t)
	out := must(s.RunInstances(t.Context(), s.launching(func(in *sdk.RunInstancesInput) {
		in.SecurityGroupIds, in.PrivateIpAddress, in.ClientToken = s.groups, new("10.0.0.10"), new("token")
		in.UserData, in.InstanceType = new(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh"))), "t3.micro"
		in.MetadataOptions = &sdktypes.InstanceMetadataOptionsRequest{HttpTokens: "required"}
		in.TagSpecifications = []sdktypes.TagSpecification{
			{ResourceType: "instance", Tags: []sdktypes.Tag{{Key: new("Name"), Value: new("a")}}},
			{ResourceType: "volume", Tags: []sdktypes.Tag{{Key: new("Name"), Value: new("a")}}}, // as Ansible does
		}
	})))(t)
	if *out.OwnerId != s.key.Account || !strings.HasPrefix(*out.ReservationId, "r-") || len(out.Instances) != 1 || out.Instances[0].State.Name != "pending" {
		t.Errorf("reservation %+v", out)
	}
	id := out.Instances[0].InstanceId
	s.report(t, id, secgroup.Running)
	i := s.instance(t, id)
	for want, got := range map[string]string{
		"ami-netns": *i.ImageId, "t3.micro": string(i.InstanceType), "running": string(i.State.Name), s.subnet: *i.SubnetId, s.vpc: *i.VpcId,
		"10.0.0.10": *i.PrivateIpAddress, "ip-10-0-0-10.ec2.internal": *i.PrivateDnsName, "us-east-1a": *i.Placement.AvailabilityZone,
		"disabled": string(i.Monitoring.State), "token": *i.ClientToken, "": *i.PublicDnsName, "required": string(i.MetadataOptions.HttpTokens),
	} {
		if got != want {
			t.Errorf("shows %q, want %q", got, want)
		}
	}
	if *i.State.Code != 16 || !*i.SourceDestCheck || i.PublicIpAddress != nil || i.StateReason != nil || *i.StateTransitionReason != "" || *i.Tags[0].Value != "a" {
		t.Errorf("%+v", i)
	}
	if len(i.SecurityGroups) != 2 || *i.SecurityGroups[0].GroupName != "web" || len(i.NetworkInterfaces) != 1 {
		t.Fatalf("groups %+v, interfaces %+v", i.SecurityGroups, i.NetworkInterfaces)
	}
	n := i.NetworkInterfaces[0]
	if a := n.Attachment; *a.DeviceIndex != 0 || !*a.DeleteOnTermination || a.Status != "attached" || n.Status != "in-use" || len(n.Groups) != 2 || !*n.PrivateIpAddresses[0].Primary {
		t.Errorf("interface %+v", n)
	}
	if data := s.control.Read().Instances.Get(*id).UserData; string(data) != "#!/bin/sh" {
		t.Errorf("user data %q", data)
	}

	stopped := must(s.StopInstances(t.Context(), &sdk.StopInstancesInput{InstanceIds: []string{*id}}))(t).StoppingInstances[0]
	if stopped.PreviousState.Name != "running" || stopped.CurrentState.Name != "stopping" || *stopped.CurrentState.Code != 64 {
		t.Errorf("stopped: %+v", stopped)
	}
	s.report(t, id, secgroup.Stopped)
	if i := s.instance(t, id); *i.StateReason.Code != "Client.UserInitiatedShutdown" || !strings.HasPrefix(*i.StateTransitionReason, "User initiated (2") || *i.PrivateIpAddress != "10.0.0.10" {
		t.Errorf("stopped: %+v, %s, %s", i.StateReason, *i.StateTransitionReason, *i.PrivateIpAddress)
	}
	if started := must(s.StartInstances(t.Context(), &sdk.StartInstancesInput{InstanceIds: []string{*id}}))(t).StartingInstances[0]; started.CurrentState.Name != "pending" {
		t.Errorf("started: %+v", started)
	}
	s.report(t, id, secgroup.Running)
	if ended := must(s.TerminateInstances(t.Context(), &sdk.TerminateInstancesInput{InstanceIds: []string{*id}}))(t).TerminatingInstances[0]; ended.CurrentState.Name != "shutting-down" {
		t.Errorf("terminated: %+v", ended)
	}
	if _, err := s.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: &s.groups[0]}); err != nil {
		t.Errorf("delete a group of the instance: %v", err) // API-I10
	}
	s.report(t, id, secgroup.Terminated)
	if i := s.instance(t, id); i.SubnetId != nil || i.VpcId != nil || len(i.SecurityGroups) != 0 || i.SecurityGroups == nil || len(i.NetworkInterfaces) != 0 || *i.State.Code != 48 {
		t.Errorf("terminated: %+v", i)
	}
}

func TestRunInstancesSyntax(t *testing.T) {
	s := newSite(t)
	type input = sdk.RunInstancesInput
	several := func(interfaces ...sdktypes.InstanceNetworkInterfaceSpecification) func(*input) {
		return func(in *input) { in.SubnetId, in.NetworkInterfaces = nil, interfaces }
	}
	one := sdktypes.InstanceNetworkInterfaceSpecification{DeviceIndex: new(int32(0)), SubnetId: &s.subnet}
	for _, c := range []struct {
		name   string
		change func(*input)
		want   string
	}{
		{"no image", func(in *input) { in.ImageId = nil }, "MissingParameter: The request must contain the parameter ImageId"},
		{"API-InvalidAMIID.Malformed", func(in *input) { in.ImageId = new("ubuntu") }, `InvalidAMIID.Malformed: Invalid id: "ubuntu" (expecting "ami-...")`},
		{"API-InvalidAMIID.NotFound", func(in *input) { in.ImageId = new("ami-abcd1234") }, "InvalidAMIID.NotFound: The image id '[ami-abcd1234]' does not exist"},
		{"counts", func(in *input) { in.MinCount = new(int32(2)) }, "InvalidParameterCombination: The value for minCount (2) is greater than the value for maxCount (1)"},
		{"none", func(in *input) { in.MinCount = new(int32(0)) }, "InvalidParameterValue: Value (0) for parameter minCount is invalid. Expecting a value greater than or equal to 1."},
		{"API-I6", func(in *input) {
			several(one)(in)
			in.SecurityGroupIds = s.groups
		}, "InvalidParameterCombination: Network interfaces and an instance-level security groups may not be specified on the same request"},
		{"interfaces and subnet", func(in *input) {
			several(one)(in)
			in.SubnetId = &s.subnet
		}, "InvalidParameterCombination: Network interfaces and an instance-level subnet ID may not be specified on the same request"},
		{"API-I8, with a subnet", func(in *input) { in.SecurityGroups = []string{"web"} }, "InvalidParameterCombination: The parameter groupName cannot be used with the parameter subnet"},
		{"empty group", func(in *input) { in.SecurityGroupIds = []string{""} }, "InvalidParameterValue: Value () for parameter groupId is invalid. The value cannot be empty"},
		{"existing with groups", several(sdktypes.InstanceNetworkInterfaceSpecification{DeviceIndex: new(int32(0)), NetworkInterfaceId: new("eni-00000000"), Groups: s.groups}),
			"InvalidParameterCombination: A network interface may not specify a network interface ID and security groups"},
		{"no device index", several(sdktypes.InstanceNetworkInterfaceSpecification{SubnetId: &s.subnet}), "InvalidParameterValue: Each network interface requires a device index."},
		{"device index twice", several(one, one), "InvalidParameterCombination: Each network interface requires a unique device index."},
		{"no primary", several(sdktypes.InstanceNetworkInterfaceSpecification{DeviceIndex: new(int32(1)), SubnetId: &s.subnet}), "InvalidParameterCombination: When specifying network interfaces, you must include a device at index 0."},
		{"public address on one of two", several(one, sdktypes.InstanceNetworkInterfaceSpecification{DeviceIndex: new(int32(1)), SubnetId: &s.subnet, AssociatePublicIpAddress: new(true)}),
			"InvalidParameterCombination: The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces."},
		{"spot", func(in *input) { in.InstanceMarketOptions = &sdktypes.InstanceMarketOptionsRequest{MarketType: "spot"} }, errUnsupported.Error()},
		{"API-InvalidKeyPair.NotFound", func(in *input) { in.KeyName = new("x") }, "InvalidKeyPair.NotFound: The key pair 'x' does not exist"},
		{"type", func(in *input) { in.InstanceType = "x9.huge" }, "InvalidParameterValue: Invalid value 'x9.huge' for InstanceType."},
		{"user data", func(in *input) { in.UserData = new("%") }, "InvalidParameterValue: Invalid BASE64 encoding of user data."},
		{"reserved tag", func(in *input) {
			in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "instance", Tags: []sdktypes.Tag{{Key: new("aws:x")}}}}
		}, "InvalidParameterValue: Tag keys starting with 'aws:' are reserved for internal use"},
		{"tags on a VPC", func(in *input) {
			in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "vpc", Tags: []sdktypes.Tag{{Key: new("x")}}}}
		}, "InvalidParameterValue: 'vpc' is not a valid taggable resource type for this operation."},
		{"metadata", func(in *input) { in.MetadataOptions = &sdktypes.InstanceMetadataOptionsRequest{HttpTokens: "maybe"} }, "InvalidParameterValue: Value (maybe) for parameter httpTokens is invalid."},
		{"DryRun", func(in *input) { in.DryRun = new(true) }, "DryRunOperation: Request would have succeeded, but DryRun flag is set."},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.RunInstances(t.Context(), s.launching(c.change))
			refused(t, err, c.want)
		})
	}
	if n := s.control.Read().Instances.Len(); n != 0 {
		t.Errorf("%d instances were made", n)
	}
}

// API-I8: by name in the default VPC; and interfaces with groups of their own.
func TestRunInstancesWithGroups(t *testing.T) {
	s := newSite(t)
	vpc := *must(s.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{Filters: []sdktypes.Filter{where("is-default", "true")}}))(t).Vpcs[0].VpcId
	group := s.group(t, vpc, "by name")
	i := s.launch(t, func(in *sdk.RunInstancesInput) { in.SubnetId, in.SecurityGroups = nil, []string{"by name"} })
	if *i.VpcId != vpc || *i.SecurityGroups[0].GroupId != group {
		t.Errorf("in %s with %+v", *i.VpcId, i.SecurityGroups)
	}
	existing := s.eni(t, func(in *sdk.CreateNetworkInterfaceInput) { in.Groups = s.groups[:1] }).NetworkInterfaceId
	i = s.launch(t, func(in *sdk.RunInstancesInput) {
		in.SubnetId = nil
		in.NetworkInterfaces = []sdktypes.InstanceNetworkInterfaceSpecification{
			{DeviceIndex: new(int32(0)), NetworkInterfaceId: existing},
			{DeviceIndex: new(int32(1)), SubnetId: &s.subnet, Groups: s.groups[1:], DeleteOnTermination: new(false)},
		}
	})
	first, second := i.NetworkInterfaces[0], i.NetworkInterfaces[1]
	if *first.NetworkInterfaceId != *existing || *first.Attachment.DeleteOnTermination || *second.Attachment.DeleteOnTermination ||
		*second.Groups[0].GroupId != s.groups[1] || len(i.SecurityGroups) != 1 || *i.SecurityGroups[0].GroupId != s.groups[0] {
		t.Errorf("%+v", i.NetworkInterfaces)
	}
	_, err := s.ModifyInstanceAttribute(t.Context(), &sdk.ModifyInstanceAttributeInput{InstanceId: i.InstanceId, Groups: s.groups})
	refused(t, err, "IncorrectInstanceState: The instance '"+*i.InstanceId+"' is not in a valid state for this operation.")
	s.report(t, i.InstanceId, secgroup.Running)
	_, err = s.ModifyInstanceAttribute(t.Context(), &sdk.ModifyInstanceAttributeInput{InstanceId: i.InstanceId, Groups: s.groups})
	refused(t, err, "InvalidInstanceID: There are multiple interfaces attached to instance '"+*i.InstanceId+"'. Please specify an interface ID for the operation instead.") // API-I9
}

func TestDescribeInstances(t *testing.T) {
	s := newSite(t)
	web := *s.launch(t, func(in *sdk.RunInstancesInput) {
		in.SecurityGroupIds, in.PrivateIpAddress = s.groups[:1], new("10.0.0.77")
		in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "instance", Tags: []sdktypes.Tag{{Key: new("k"), Value: new("v")}}}}
	}).InstanceId
	plain := *s.launch(t, nil).InstanceId
	s.report(t, &web, secgroup.Running)
	eni := control.Attached(s.control.Read(), web)[0].ID
	for _, c := range []struct {
		name, value string
		want        []string
	}{
		{"instance.group-id", s.groups[0], []string{web}}, {"instance.group-name", "web", []string{web}}, {"group-id", s.groups[0], []string{web}},
		{"group-name", "default", []string{plain}}, {"network-interface.group-id", s.groups[0], []string{web}}, {"network-interface.group-name", "web", []string{web}},
		{"network-interface.network-interface-id", eni, []string{web}}, {"network-interface.addresses.private-ip-address", "10.0.0.77", []string{web}},
		{"network-interface.subnet-id", s.subnet, []string{web, plain}}, {"network-interface.vpc-id", s.vpc, []string{web, plain}},
		{"instance-id", web, []string{web}}, {"instance-state-name", "running", []string{web}}, {"instance-state-code", "0", []string{plain}},
		{"vpc-id", s.vpc, []string{web, plain}}, {"subnet-id", s.subnet, []string{web, plain}}, {"private-ip-address", "10.0.0.77", []string{web}},
		{"tag:k", "v", []string{web}}, {"tag-key", "k", []string{web}}, {"instance-type", secgroup.DefaultInstanceType, []string{web, plain}},
		{"availability-zone", "us-east-1a", []string{web, plain}}, {"image-id", "ami-other", nil}, {"key-name", "*", nil},
	} {
		out := must(s.DescribeInstances(t.Context(), &sdk.DescribeInstancesInput{Filters: []sdktypes.Filter{where(c.name, c.value)}}))(t)
		var got []string
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				got = append(got, *i.InstanceId)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s=%s finds %v, want %v", c.name, c.value, got, c.want)
		}
	}
	describe := func(ids ...string) error {
		_, err := s.DescribeInstances(t.Context(), &sdk.DescribeInstancesInput{InstanceIds: ids})
		return err
	}
	refused(t, describe("i-00000001"), "InvalidInstanceID.NotFound: The instance ID 'i-00000001' does not exist")
	refused(t, describe("i-00000001", web, "i-00000002"), "InvalidInstanceID.NotFound: The instance IDs 'i-00000001, i-00000002' do not exist")
	refused(t, describe("foo"), `InvalidInstanceID.Malformed: Invalid id: "foo" (expecting "i-...")`)
	_, err := s.DescribeInstances(t.Context(), &sdk.DescribeInstancesInput{InstanceIds: []string{web}, MaxResults: new(int32(5))})
	refused(t, err, "InvalidParameterCombination: The parameter instancesSet cannot be used with the parameter maxResults")
	_, err = s.TerminateInstances(t.Context(), &sdk.TerminateInstancesInput{InstanceIds: []string{}})
	refused(t, err, "MissingParameter: The request must contain the parameter InstanceId")

	s.launch(t, func(in *sdk.RunInstancesInput) { in.MinCount, in.MaxCount = new(int32(4)), new(int32(4)) })
	var sizes []int
	pages := sdk.NewDescribeInstancesPaginator(s.Client, &sdk.DescribeInstancesInput{MaxResults: new(int32(5))})
	for pages.HasMorePages() {
		n := 0
		for _, r := range must(pages.NextPage(t.Context()))(t).Reservations {
			n += len(r.Instances)
		}
		sizes = append(sizes, n)
	}
	if !slices.Equal(sizes, []int{2, 4}) {
		t.Errorf("pages of %v instances; a reservation of 4 after two of 1 is not split", sizes)
	}
	status := must(s.DescribeInstanceStatus(t.Context(), &sdk.DescribeInstanceStatusInput{}))(t).InstanceStatuses
	if len(status) != 1 || *status[0].InstanceId != web || status[0].SystemStatus.Status != "ok" || status[0].InstanceStatus.Status != "ok" {
		t.Errorf("status %+v", status)
	}
	if all := must(s.DescribeInstanceStatus(t.Context(), &sdk.DescribeInstanceStatusInput{IncludeAllInstances: new(true)}))(t).InstanceStatuses; len(all) != 6 {
		t.Errorf("%d statuses", len(all))
	}
}

func TestInstanceAttributes(t *testing.T) {
	s := newSite(t)
	id := s.launch(t, func(in *sdk.RunInstancesInput) { in.UserData = new("IyE=") }).InstanceId
	s.report(t, id, secgroup.Running)
	type modification = sdk.ModifyInstanceAttributeInput
	modify := func(in *modification) error {
		in.InstanceId = id
		_, err := s.ModifyInstanceAttribute(t.Context(), in)
		return err
	}
	describe := func(attribute string) *sdk.DescribeInstanceAttributeOutput {
		t.Helper()
		return must(s.DescribeInstanceAttribute(t.Context(), &sdk.DescribeInstanceAttributeInput{InstanceId: id, Attribute: sdktypes.InstanceAttributeName(attribute)}))(t)
	}
	yes, no := &sdktypes.AttributeBooleanValue{Value: new(true)}, &sdktypes.AttributeBooleanValue{Value: new(false)}
	for _, in := range []*modification{
		{Groups: s.groups[:1]}, {SourceDestCheck: no}, {DisableApiTermination: yes},
		{Attribute: "disableApiStop", Value: new("true")}, {Attribute: "instanceInitiatedShutdownBehavior", Value: new("terminate")},
	} {
		if err := modify(in); err != nil {
			t.Errorf("%+v: %v", in, err)
		}
	}
	if out := describe("groupSet"); len(out.Groups) != 1 || *out.Groups[0].GroupName != "web" {
		t.Errorf("%+v", out.Groups)
	}
	if out := describe("sourceDestCheck"); *out.SourceDestCheck.Value {
		t.Errorf("%+v", out.SourceDestCheck)
	}
	if out := describe("disableApiTermination"); !*out.DisableApiTermination.Value {
		t.Errorf("%+v", out.DisableApiTermination)
	}
	if out := describe("disableApiStop"); !*out.DisableApiStop.Value {
		t.Errorf("%+v", out.DisableApiStop)
	}
	if out := describe("instanceInitiatedShutdownBehavior"); aws.ToString(out.InstanceInitiatedShutdownBehavior.Value) != "terminate" {
		t.Errorf("%+v", out.InstanceInitiatedShutdownBehavior)
	}
	if out := describe("userData"); aws.ToString(out.UserData.Value) != "IyE=" {
		t.Errorf("%+v", out.UserData)
	}
	for name := range instanceAttributes {
		describe(name)
	}
	_, err := s.DescribeInstanceAttribute(t.Context(), &sdk.DescribeInstanceAttributeInput{InstanceId: id, Attribute: "x"})
	refused(t, err, "InvalidParameterValue: Value (x) for parameter attribute is invalid. Unknown attribute.")
	refused(t, modify(&modification{}), "InvalidParameterCombination: No attributes specified.")
	refused(t, modify(&modification{Groups: s.groups, SourceDestCheck: yes}), "InvalidParameterCombination: Fields for multiple attribute types specified: groupSet, sourceDestCheck")
	refused(t, modify(&modification{Groups: []string{"web"}}), `InvalidGroupId.Malformed: Invalid id: "web" (expecting "sg-...")`)
	refused(t, modify(&modification{Kernel: &sdktypes.AttributeValue{Value: new("aki-1")}}), errUnsupported.Error())
	refused(t, modify(&modification{Attribute: "sourceDestCheck", Value: new("x")}), "InvalidParameterValue: Value (x) for parameter value is invalid. Expecting true or false.")
	_, err = s.TerminateInstances(t.Context(), &sdk.TerminateInstancesInput{InstanceIds: []string{*id}})
	refused(t, err, "OperationNotPermitted: The instance '"+*id+"' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.")
}
