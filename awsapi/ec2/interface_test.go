// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// site is a rig with a VPC, a subnet and two groups of its own.
type site struct {
	*rig
	vpc, subnet string
	groups      []string
}

// newSite returns a site whose subnet is 10.0.0.0/24 in zone us-east-1a and
// where instances can be made from the image ami-netns.
func newSite(t *testing.T) *site {
	t.Helper()
	r := newRig(t, control.Config{Images: []control.Image{{ID: "ami-netns", Name: "namespace"}}})
	s := &site{rig: r}
	s.vpc, s.subnet = s.network(t, "10.0.0.0/24")
	for _, name := range []string{"web", "db"} {
		s.groups = append(s.groups, s.group(t, s.vpc, name))
	}
	return s
}

func (s *site) network(t *testing.T, block string) (vpc, subnet string) {
	t.Helper()
	v := must(s.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: &block}))(t)
	n := must(s.CreateSubnet(t.Context(), &sdk.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: &block, AvailabilityZone: new("us-east-1a")}))(t)
	return *v.Vpc.VpcId, *n.Subnet.SubnetId
}

func (s *site) group(t *testing.T, vpc, name string) string {
	t.Helper()
	return *must(s.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{VpcId: &vpc, GroupName: &name, Description: &name}))(t).GroupId
}

func (s *site) eni(t *testing.T, change ...func(*sdk.CreateNetworkInterfaceInput)) *sdktypes.NetworkInterface {
	t.Helper()
	in := &sdk.CreateNetworkInterfaceInput{SubnetId: &s.subnet}
	for _, c := range change {
		c(in)
	}
	return must(s.CreateNetworkInterface(t.Context(), in))(t).NetworkInterface
}

func TestNetworkInterface(t *testing.T) {
	s := newSite(t)
	made := s.eni(t, func(in *sdk.CreateNetworkInterfaceInput) {
		in.Groups, in.Description, in.ClientToken = s.groups, new("front"), new("once")
		in.PrivateIpAddresses = []sdktypes.PrivateIpAddressSpecification{
			{PrivateIpAddress: new("10.0.0.11")}, {PrivateIpAddress: new("10.0.0.10"), Primary: new(true)},
		}
		in.ConnectionTrackingSpecification = &sdktypes.ConnectionTrackingSpecificationRequest{UdpTimeout: new(int32(45))}
		in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "network-interface", Tags: []sdktypes.Tag{{Key: new("k"), Value: new("v")}}}}
	})
	if made.Status != "pending" {
		t.Errorf("made with status %s", made.Status)
	}
	i := must(s.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{*made.NetworkInterfaceId}}))(t).NetworkInterfaces[0]
	for what, got := range map[string]string{
		"available": string(i.Status), s.subnet: *i.SubnetId, s.vpc: *i.VpcId, "us-east-1a": *i.AvailabilityZone, "use1-az1": *i.AvailabilityZoneId,
		"front": *i.Description, "10.0.0.10": *i.PrivateIpAddress, "ip-10-0-0-10.ec2.internal": *i.PrivateDnsName,
		"interface": string(i.InterfaceType), s.key.Account: *i.OwnerId,
	} {
		if what != got {
			t.Errorf("shows %q, want %q", got, what)
		}
	}
	if !*i.SourceDestCheck || *i.RequesterManaged || len(i.Groups) != 2 || *i.Groups[0].GroupName != "web" || *i.Groups[1].GroupId != s.groups[1] {
		t.Errorf("%+v", i)
	}
	if a := i.PrivateIpAddresses; len(a) != 2 || !*a[0].Primary || *a[1].Primary || *a[1].PrivateIpAddress != "10.0.0.11" {
		t.Errorf("addresses %+v", a)
	}
	if c := i.ConnectionTrackingConfiguration; c == nil || *c.UdpTimeout != 45 || c.UdpStreamTimeout != nil {
		t.Errorf("tracking %+v", c)
	}
	if len(i.TagSet) != 1 || i.Attachment != nil || i.Ipv6Addresses == nil {
		t.Errorf("tags %v, attachment %v, IPv6 %v", i.TagSet, i.Attachment, i.Ipv6Addresses)
	}
	// A repeated call answers with the same interface; a changed one is refused (API-W7).
	in := &sdk.CreateNetworkInterfaceInput{SubnetId: &s.subnet, ClientToken: new("twice")}
	first := must(s.CreateNetworkInterface(t.Context(), in))(t)
	again := must(s.CreateNetworkInterface(t.Context(), in))(t)
	if *first.NetworkInterface.NetworkInterfaceId != *again.NetworkInterface.NetworkInterfaceId || *again.ClientToken != "twice" {
		t.Errorf("%s, then %s", *first.NetworkInterface.NetworkInterfaceId, *again.NetworkInterface.NetworkInterfaceId)
	}
	in.Description = new("changed")
	_, err := s.CreateNetworkInterface(t.Context(), in)
	refused(t, err, "IdempotentParameterMismatch: The request uses the same client token as a previous, but non-identical request.")
}

func TestCreateNetworkInterfaceSyntax(t *testing.T) {
	s := newSite(t)
	type input = sdk.CreateNetworkInterfaceInput
	address := func(text string, primary bool) sdktypes.PrivateIpAddressSpecification {
		return sdktypes.PrivateIpAddressSpecification{PrivateIpAddress: &text, Primary: &primary}
	}
	for _, c := range []struct {
		name   string
		change func(*input)
		want   string
	}{
		{"no subnet", func(in *input) { in.SubnetId = new("") }, "MissingParameter: The request must contain the parameter subnetId"},
		{"API-InvalidSecurityGroupId.Malformed", func(in *input) { in.Groups = []string{"web"} }, `InvalidSecurityGroupId.Malformed: Invalid id: "web" (expecting "sg-...")`},
		{"address", func(in *input) { in.PrivateIpAddress = new("10.0.0") }, "InvalidParameterValue: invalid value for parameter address: 10.0.0"},
		{"IPv6 where IPv4 belongs", func(in *input) { in.PrivateIpAddress = new("2001:db8::1") }, "InvalidParameterValue: invalid value for parameter address: 2001:db8::1"},
		{"two primaries", func(in *input) {
			in.PrivateIpAddresses = []sdktypes.PrivateIpAddressSpecification{address("10.0.0.9", true), address("10.0.0.10", true)}
		}, "InvalidParameterCombination: Only one primary private IP address can be specified."},
		{"primary in both places", func(in *input) {
			in.PrivateIpAddress = new("10.0.0.8")
			in.PrivateIpAddresses = []sdktypes.PrivateIpAddressSpecification{address("10.0.0.9", true)}
		}, "InvalidParameterCombination: Only one primary private IP address can be specified."},
		{"count and list", func(in *input) {
			in.SecondaryPrivateIpAddressCount = new(int32(1))
			in.PrivateIpAddresses = []sdktypes.PrivateIpAddressSpecification{address("10.0.0.9", true)}
		}, "InvalidParameterCombination: The parameter secondaryPrivateIpAddressCount cannot be used with the parameter privateIpAddresses"},
		{"negative count", func(in *input) { in.SecondaryPrivateIpAddressCount = new(int32(-1)) }, "InvalidParameterValue: Value (-1) for parameter secondaryPrivateIpAddressCount is invalid. Expecting a value greater than or equal to 0."},
		{"timeout", func(in *input) {
			in.ConnectionTrackingSpecification = &sdktypes.ConnectionTrackingSpecificationRequest{TcpEstablishedTimeout: new(int32(59))}
		}, "InvalidParameterValue: Value (59) for parameter tcpEstablishedTimeout is invalid. Expecting a value from 60 to 432000."},
		{"token", func(in *input) { in.ClientToken = new(strings.Repeat("x", 65)) }, "InvalidParameterValue: Value (" + strings.Repeat("x", 65) + ") for parameter clientToken is invalid. Expecting at most 64 ASCII characters."},
		{"prefixes by list and count", func(in *input) {
			in.Ipv4PrefixCount, in.Ipv4Prefixes = new(int32(1)), []sdktypes.Ipv4PrefixSpecificationRequest{{Ipv4Prefix: new("10.0.0.16/28")}}
		}, "InvalidParameterCombination: The parameter ipv4PrefixCount cannot be used with the parameter ipv4Prefix"},
		{"other kinds", func(in *input) { in.InterfaceType = "trunk" }, errUnsupported.Error()},
		{"tags of another type", func(in *input) {
			in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "instance", Tags: []sdktypes.Tag{{Key: new("k")}}}}
		}, "InvalidParameterValue: 'instance' is not a valid taggable resource type for this operation."},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := &input{SubnetId: &s.subnet}
			c.change(in)
			_, err := s.CreateNetworkInterface(t.Context(), in)
			refused(t, err, c.want)
		})
	}
}

func TestDescribeNetworkInterfaces(t *testing.T) {
	s := newSite(t)
	plain := *s.eni(t).NetworkInterfaceId
	web := *s.eni(t, func(in *sdk.CreateNetworkInterfaceInput) {
		in.Groups, in.PrivateIpAddress, in.Description = s.groups[:1], new("10.0.0.77"), new("front")
		in.TagSpecifications = []sdktypes.TagSpecification{{ResourceType: "network-interface", Tags: []sdktypes.Tag{{Key: new("k"), Value: new("v")}}}}
	}).NetworkInterfaceId
	instance := s.launch(t, nil)
	primary := *instance.NetworkInterfaces[0].NetworkInterfaceId
	attachment := instance.NetworkInterfaces[0].Attachment
	mac := s.control.Read().Interfaces.Get(web).MAC
	for _, c := range []struct {
		name, value string
		want        []string
	}{
		{"group-id", s.groups[0], []string{web}}, {"group-name", "we*", []string{web}}, {"group-name", "default", []string{plain, primary}},
		{"network-interface-id", web, []string{web}}, {"subnet-id", s.subnet, []string{plain, web, primary}}, {"vpc-id", s.vpc, []string{plain, web, primary}},
		{"availability-zone", "us-east-1b", nil}, {"description", "front", []string{web}}, {"status", "in-use", []string{primary}},
		{"status", "available", []string{plain, web}}, {"mac-address", mac, []string{web}}, {"private-ip-address", "10.0.0.77", []string{web}},
		{"addresses.private-ip-address", "10.0.0.77", []string{web}}, {"addresses.primary", "false", nil}, {"ipv6-addresses.ipv6-address", "*", nil},
		{"attachment.instance-id", *instance.InstanceId, []string{primary}}, {"attachment.attachment-id", *attachment.AttachmentId, []string{primary}},
		{"attachment.instance-owner-id", s.key.Account, []string{primary}}, {"attachment.device-index", "0", []string{primary}},
		{"attachment.status", "attached", []string{primary}}, {"attachment.delete-on-termination", "true", []string{primary}},
		{"attachment.attach-time", timeText(*attachment.AttachTime), []string{primary}},
		{"interface-type", "interface", []string{plain, web, primary}}, {"owner-id", s.key.Account, []string{plain, web, primary}},
		{"private-dns-name", "ip-10-0-0-77.ec2.internal", []string{web}}, {"requester-id", s.key.Account, []string{plain, web, primary}},
		{"requester-managed", "true", nil}, {"source-dest-check", "true", []string{plain, web, primary}},
		{"tag:k", "v", []string{web}}, {"tag-key", "k", []string{web}}, {"association.public-ip", "*", nil},
	} {
		out := must(s.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{Filters: []sdktypes.Filter{where(c.name, c.value)}}))(t)
		var got []string
		for _, i := range out.NetworkInterfaces {
			got = append(got, *i.NetworkInterfaceId)
		}
		slices.Sort(c.want)
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s=%s finds %v, want %v", c.name, c.value, got, c.want)
		}
	}
	describe := func(in *sdk.DescribeNetworkInterfacesInput) error {
		_, err := s.DescribeNetworkInterfaces(t.Context(), in)
		return err
	}
	refused(t, describe(&sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-00000000"}}), "InvalidNetworkInterfaceID.NotFound: The networkInterface ID 'eni-00000000' does not exist")
	refused(t, describe(&sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"foo"}}), `InvalidNetworkInterfaceId.Malformed: Invalid id: "foo" (expecting "eni-...")`)
	refused(t, describe(&sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{web}, MaxResults: new(int32(5))}), "InvalidParameterCombination: The parameter NetworkInterfaceIds cannot be used with the parameter MaxResults")
	refused(t, describe(&sdk.DescribeNetworkInterfacesInput{Filters: []sdktypes.Filter{where("nonsense", "x")}}), "InvalidParameterValue: The filter 'nonsense' is invalid")

	if out := must(s.in("eu-west-1").DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{}))(t); len(out.NetworkInterfaces) != 0 {
		t.Errorf("another Region shows %d interfaces", len(out.NetworkInterfaces))
	}
	for range 4 {
		s.eni(t)
	}
	var sizes []int
	pages := sdk.NewDescribeNetworkInterfacesPaginator(s.Client, &sdk.DescribeNetworkInterfacesInput{MaxResults: new(int32(5))})
	for pages.HasMorePages() {
		sizes = append(sizes, len(must(pages.NextPage(t.Context()))(t).NetworkInterfaces))
	}
	if !slices.Equal(sizes, []int{5, 2}) {
		t.Errorf("pages of %v", sizes)
	}
}

// TestTheRevisionInForceIsShownAsATag: of interfaces that a host enforces, reserved as
// all tags of the service's own are, and kept nowhere.
func TestTheRevisionInForceIsShownAsATag(t *testing.T) {
	behind := map[string]int64{}
	asked := 0
	r := newRig(t, control.Config{
		Images: []control.Image{{ID: "ami-netns", Name: "namespace"}},
		InForce: func(host string) (int64, map[string]int64) {
			if asked++; host != "local" {
				t.Errorf("asked about host %s", host)
			}
			return 1234, behind
		},
	})
	s := &site{rig: r}
	s.vpc, s.subnet = s.network(t, "10.0.0.0/24")
	free := *s.eni(t).NetworkInterfaceId
	mine := []sdktypes.Tag{{Key: new("k"), Value: new("v")}}
	var ids []string
	for range 2 {
		ids = append(ids, *s.launch(t, nil).NetworkInterfaces[0].NetworkInterfaceId)
	}
	must(s.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: ids[:1], Tags: mine}))(t)
	behind[ids[1]] = 7
	tags := func(filters ...sdktypes.Filter) map[string]string {
		t.Helper()
		asked = 0
		out := map[string]string{}
		for _, i := range must(s.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{Filters: filters}))(t).NetworkInterfaces {
			text := ""
			for _, tag := range i.TagSet {
				text += *tag.Key + "=" + *tag.Value + ";"
			}
			out[*i.NetworkInterfaceId] = text
		}
		if asked > 1 {
			t.Errorf("one call asks %d times about a host", asked)
		}
		return out
	}
	const key = "aws:hedgeward:enforced-revision"
	want := map[string]string{free: "", ids[0]: "k=v;" + key + "=1234;", ids[1]: key + "=7;"}
	if got := tags(); !maps.Equal(got, want) {
		t.Errorf("the tags are %v, want %v", got, want)
	}
	delete(want, free)
	if got := tags(where("tag-key", key)); !maps.Equal(got, want) {
		t.Errorf("in force are %v, want %v", got, want)
	}
	delete(want, ids[0])
	if got := tags(where("tag:"+key, "7")); !maps.Equal(got, want) {
		t.Errorf("at revision 7 are %v, want %v", got, want)
	}
	behind[ids[1]] = 0 // nothing judges it
	if got := tags()[ids[1]]; got != "" {
		t.Errorf("a closed interface has the tags %s", got)
	}
	_, err := s.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: ids, Tags: []sdktypes.Tag{{Key: new(key), Value: new("9")}}})
	refused(t, err, "InvalidParameterValue: Value ( "+key+" ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use")
	for _, tag := range must(s.DescribeTags(t.Context(), &sdk.DescribeTagsInput{}))(t).Tags {
		if *tag.Key != "k" {
			t.Errorf("%s is kept at %s", *tag.Key, *tag.ResourceId)
		}
	}
}

func TestInterfaceAttributes(t *testing.T) {
	s := newSite(t)
	id := s.eni(t).NetworkInterfaceId
	type modification = sdk.ModifyNetworkInterfaceAttributeInput
	modify := func(in *modification) error {
		in.NetworkInterfaceId = id
		_, err := s.ModifyNetworkInterfaceAttribute(t.Context(), in)
		return err
	}
	for _, in := range []*modification{
		{Groups: s.groups[1:]}, {SourceDestCheck: &sdktypes.AttributeBooleanValue{Value: new(false)}}, {Description: &sdktypes.AttributeValue{Value: new("new")}},
		{ConnectionTrackingSpecification: &sdktypes.ConnectionTrackingSpecificationRequest{UdpStreamTimeout: new(int32(90))}},
	} {
		if err := modify(in); err != nil {
			t.Error(err)
		}
	}
	describe := func(attribute sdktypes.NetworkInterfaceAttribute) *sdk.DescribeNetworkInterfaceAttributeOutput {
		return must(s.DescribeNetworkInterfaceAttribute(t.Context(), &sdk.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Attribute: attribute}))(t)
	}
	if out := describe("groupSet"); len(out.Groups) != 1 || *out.Groups[0].GroupId != s.groups[1] || *out.Groups[0].GroupName != "db" || *out.NetworkInterfaceId != *id || out.Description != nil {
		t.Errorf("groups %+v", out)
	}
	if out := describe("sourceDestCheck"); *out.SourceDestCheck.Value {
		t.Errorf("%+v", out.SourceDestCheck)
	}
	must(s.ResetNetworkInterfaceAttribute(t.Context(), &sdk.ResetNetworkInterfaceAttributeInput{NetworkInterfaceId: id, SourceDestCheck: new("x")}))(t)
	if out := describe("sourceDestCheck"); !*out.SourceDestCheck.Value {
		t.Errorf("reset: %+v", out.SourceDestCheck)
	}
	if out := describe("description"); aws.ToString(out.Description.Value) != "new" {
		t.Errorf("%+v", out.Description)
	}
	if out := describe("attachment"); out.Attachment != nil {
		t.Errorf("%+v", out.Attachment)
	}
	_, err := s.DescribeNetworkInterfaceAttribute(t.Context(), &sdk.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: id, Attribute: "x"})
	refused(t, err, "InvalidParameterValue: Value (x) for parameter attribute is invalid. Unknown attribute.")
	_, err = s.DescribeNetworkInterfaceAttribute(t.Context(), &sdk.DescribeNetworkInterfaceAttributeInput{NetworkInterfaceId: id})
	refused(t, err, "MissingParameter: The request must contain the parameter attribute")

	refused(t, modify(&modification{}), "InvalidParameterCombination: No attributes specified.")
	refused(t, modify(&modification{Groups: s.groups, SourceDestCheck: &sdktypes.AttributeBooleanValue{Value: new(true)}}),
		"InvalidParameterCombination: Fields for multiple attribute types specified: groupSet, sourceDestCheck")
	refused(t, modify(&modification{Groups: []string{"web"}}), `InvalidGroupId.Malformed: Invalid id: "web" (expecting "sg-...")`)
	refused(t, modify(&modification{AssociatePublicIpAddress: new(true)}), errUnsupported.Error())
	dry := &modification{Groups: s.groups, DryRun: new(true)}
	refused(t, modify(dry), "DryRunOperation: Request would have succeeded, but DryRun flag is set.")
}

func TestAttachAndDetachInterfaces(t *testing.T) {
	s := newSite(t)
	instance := s.launch(t, nil)
	if err := s.control.ReportInstance(t.Context(), "local", *instance.InstanceId, secgroup.Running, ""); err != nil {
		t.Fatal(err)
	}
	id := s.eni(t).NetworkInterfaceId
	a := must(s.AttachNetworkInterface(t.Context(), &sdk.AttachNetworkInterfaceInput{NetworkInterfaceId: id, InstanceId: instance.InstanceId, DeviceIndex: new(int32(1))}))(t)
	_, err := s.DeleteNetworkInterface(t.Context(), &sdk.DeleteNetworkInterfaceInput{NetworkInterfaceId: id})
	refused(t, err, "InvalidParameterValue: Network interface '"+*id+"' is currently in use.") // API-I11
	detach := func(id *string) error {
		_, err := s.DetachNetworkInterface(t.Context(), &sdk.DetachNetworkInterfaceInput{AttachmentId: id})
		return err
	}
	refused(t, detach(new("ela-attach-1")), "OperationNotPermitted: You are not allowed to manage 'ela-attach' attachments.")
	if err := detach(a.AttachmentId); err != nil {
		t.Error(err)
	}
	refused(t, detach(a.AttachmentId), "InvalidAttachmentID.NotFound: The network interface attachment ID '"+*a.AttachmentId+"' does not exist")
	if _, err := s.DeleteNetworkInterface(t.Context(), &sdk.DeleteNetworkInterfaceInput{NetworkInterfaceId: id}); err != nil {
		t.Error(err)
	}
}

// TestAClaimedInterface shows an interface that a host enforces at a device of its
// own (docs/spec/ec2-api.md section 5.7).
func TestAClaimedInterface(t *testing.T) {
	s := newSite(t)
	id := s.eni(t).NetworkInterfaceId
	if err := s.control.ClaimInterface(t.Context(), "h1", *id, control.ClaimedDevice{Name: "tap0"}); err != nil {
		t.Fatal(err)
	}
	show := func(filters ...sdktypes.Filter) []sdktypes.NetworkInterface {
		filters = append(filters, sdktypes.Filter{Name: new("network-interface-id"), Values: []string{*id}})
		return must(s.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{Filters: filters}))(t).NetworkInterfaces
	}
	a := show()[0].Attachment
	if show()[0].Status != sdktypes.NetworkInterfaceStatusInUse || a == nil || a.InstanceId != nil || !strings.HasPrefix(*a.AttachmentId, "ela-attach-") ||
		a.Status != sdktypes.AttachmentStatusAttached || *a.DeviceIndex != 1 || *a.DeleteOnTermination || a.AttachTime == nil {
		t.Fatalf("shown as %+v", a)
	}
	_, err := s.DetachNetworkInterface(t.Context(), &sdk.DetachNetworkInterfaceInput{AttachmentId: a.AttachmentId})
	refused(t, err, "OperationNotPermitted: You are not allowed to manage 'ela-attach' attachments.")
	for name, want := range map[string]int{"attachment.attachment-id=" + *a.AttachmentId: 1, "attachment.status=attached": 1, "attachment.instance-id=*": 0} {
		name, value, _ := strings.Cut(name, "=")
		if got := show(sdktypes.Filter{Name: &name, Values: []string{value}}); len(got) != want {
			t.Errorf("filter %s=%s finds %d interfaces, want %d", name, value, len(got), want)
		}
	}
	if err := s.control.ReleaseInterface(t.Context(), "h1", *id); err != nil {
		t.Fatal(err)
	}
	if a := show()[0].Attachment; a.Status != sdktypes.AttachmentStatusDetaching {
		t.Errorf("given up, but not yet back, it is %s", a.Status)
	}
	if err := s.control.ReportReleased(t.Context(), "h1", *id); err != nil {
		t.Fatal(err)
	}
	if i := show()[0]; i.Attachment != nil || i.Status != sdktypes.NetworkInterfaceStatusAvailable {
		t.Errorf("given back, it is %s, attached %+v", i.Status, i.Attachment)
	}
}
