// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"encoding/base64"
	"slices"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// noVolumes is a type of which a launch makes nothing, as of an image without
// volumes. Clients (Ansible at every launch) send tags for it, and they go nowhere.
const noVolumes = "volume"

// runInstances is section 6.1 of docs/spec/ec2-api.md.
func (s *Service) runInstances(c *awsapi.Call, in *ec2types.RunInstancesRequest) (func(context.Context) (*ec2types.Reservation, error), error) {
	token, err := clientToken(in)
	if err != nil {
		return nil, err
	}
	if in.LaunchTemplate != nil {
		return s.runTemplate(c, in, token)
	}
	l, err := s.parseLaunch(c.Region, in)
	if err != nil {
		return nil, err
	}
	l.Token = token
	return func(ctx context.Context) (*ec2types.Reservation, error) {
		return s.reserved(s.control.RunInstances(ctx, c.Behalf(), l))
	}, nil
}

// reserved answers a launch.
func (s *Service) reserved(made []*secgroup.Instance, err error) (*ec2types.Reservation, error) {
	if err != nil {
		return nil, err
	}
	return new(showReservation(views(s.control.Read(), made))), nil
}

// parseLaunch reads what is to be launched, of a request that is complete
// without a template.
func (s *Service) parseLaunch(region string, in *ec2types.RunInstancesRequest) (l control.Launch, err error) {
	if err := checkCounts(in); err != nil {
		return l, err
	}
	if err := checkCombinations(in); err != nil {
		return l, err
	}
	if unsupportedLaunch(in) {
		return l, errUnsupported
	}
	if err := s.checkImage(deref(in.ImageId)); err != nil {
		return l, err
	}
	l.Image, l.Type, l.KeyName = *in.ImageId, deref(in.InstanceType), deref(in.KeyName)
	l.Min, l.Max = int(*in.MinCount), int(*in.MaxCount)
	if l.Zone, err = s.launchZone(region, in.Placement); err != nil {
		return l, err
	}
	if l.UserData, err = parseUserData(in.UserData); err != nil {
		return l, err
	}
	if l.Interfaces, err = launchInterfaces(in); err != nil {
		return l, err
	}
	if l.Options, err = parseOptions(in); err != nil {
		return l, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.InstanceType, control.InterfaceType, noVolumes)
	l.Tags, l.InterfaceTags = tags[control.InstanceType], tags[control.InterfaceType]
	return l, err
}

func checkCounts(in *ec2types.RunInstancesRequest) error {
	switch {
	case deref(in.ImageId) == "":
		return missing("ImageId")
	case in.MinCount == nil:
		return missing("MinCount")
	case in.MaxCount == nil:
		return missing("MaxCount")
	case *in.MinCount < 1:
		return secgroup.Errorf("InvalidParameterValue", "Value (%d) for parameter minCount is invalid. Expecting a value greater than or equal to 1.", *in.MinCount)
	case *in.MinCount > *in.MaxCount:
		return secgroup.Errorf("InvalidParameterCombination", "The value for minCount (%d) is greater than the value for maxCount (%d)", *in.MinCount, *in.MaxCount)
	}
	return nil
}

// checkCombinations refuses parameters that exclude each other.
func checkCombinations(in *ec2types.RunInstancesRequest) error {
	var with string
	subnet := deref(in.SubnetId) != ""
	groups := len(in.SecurityGroupIds) > 0 || len(in.SecurityGroups) > 0
	switch several := len(in.NetworkInterfaces) > 0; {
	case several && groups:
		with = "an instance-level security groups"
	case several && subnet:
		with = "an instance-level subnet ID"
	case several && (in.PrivateIpAddress != nil || len(in.Ipv6Addresses) > 0 || in.Ipv6AddressCount != nil):
		with = "an instance-level IP address"
	case len(in.SecurityGroups) > 0 && subnet:
		return secgroup.Errorf("InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet")
	default:
		return nil
	}
	return secgroup.Errorf("InvalidParameterCombination", "Network interfaces and %s may not be specified on the same request", with)
}

// checkImage checks the form of an image's id. Those of the catalogue have forms
// of their own.
func (s *Service) checkImage(id string) error {
	if s.control.HasImage(id) {
		return nil
	}
	return secgroup.CheckID(secgroup.ImagePrefix, id, "InvalidAMIID.Malformed")
}

// launchZone returns the zone that a placement asks for, "" for any.
func (s *Service) launchZone(region string, p *ec2types.Placement) (string, error) {
	if p == nil {
		return "", nil
	}
	name, id := deref(p.AvailabilityZone), deref(p.AvailabilityZoneId)
	if name != "" || id == "" {
		return name, nil
	}
	r, _ := s.control.Region(region)
	i := slices.IndexFunc(r.Zones, func(z control.Zone) bool { return z.ID == id })
	if i < 0 {
		return "", secgroup.Errorf("InvalidParameterValue", "Invalid availability zone: [%s]", id)
	}
	return r.Zones[i].Name, nil
}

// maxUserData is the size of user data, in bytes before base64.
const maxUserData = 16384

func parseUserData(text *string) ([]byte, error) {
	if deref(text) == "" {
		return nil, nil
	}
	data, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return nil, secgroup.Errorf("InvalidParameterValue", "Invalid BASE64 encoding of user data.")
	}
	if len(data) > maxUserData {
		return nil, secgroup.Errorf("InvalidParameterValue", "User data is limited to %d bytes", maxUserData)
	}
	return data, nil
}

// launchInterfaces returns the interfaces of each instance of a launch. A
// request that lists none has one, which the instance-level parameters describe.
func launchInterfaces(in *ec2types.RunInstancesRequest) ([]control.LaunchInterface, error) {
	if len(in.NetworkInterfaces) == 0 {
		addressing, err := parseAddressing(in.PrivateIpAddress, nil, nil, in.Ipv6Addresses, in.Ipv6AddressCount)
		if err != nil {
			return nil, err
		}
		if err := checkGroups(in.SecurityGroupIds); err != nil {
			return nil, err
		}
		return []control.LaunchInterface{{
			InterfaceSpec: control.InterfaceSpec{Subnet: deref(in.SubnetId), Groups: in.SecurityGroupIds, Addressing: addressing},
			GroupNames:    in.SecurityGroups,
		}}, nil
	}
	out := make([]control.LaunchInterface, len(in.NetworkInterfaces))
	indexes := map[int]bool{}
	for n := range in.NetworkInterfaces {
		var err error
		if out[n], err = launchInterface(&in.NetworkInterfaces[n]); err != nil {
			return nil, err
		}
		if indexes[out[n].DeviceIndex] {
			return nil, secgroup.Errorf("InvalidParameterCombination", "Each network interface requires a unique device index.")
		}
		indexes[out[n].DeviceIndex] = true
	}
	if len(out) > 1 && slices.ContainsFunc(out, func(i control.LaunchInterface) bool { return deref(i.Public) }) {
		return nil, secgroup.Errorf("InvalidParameterCombination",
			"The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.")
	}
	if !indexes[0] {
		return nil, secgroup.Errorf("InvalidParameterCombination", "When specifying network interfaces, you must include a device at index 0.")
	}
	return out, nil
}

func launchInterface(i *ec2types.InstanceNetworkInterfaceSpecification) (control.LaunchInterface, error) {
	var out control.LaunchInterface
	if i.DeviceIndex == nil {
		return out, secgroup.Errorf("InvalidParameterValue", "Each network interface requires a device index.")
	}
	if err := checkDeviceIndex(*i.DeviceIndex); err != nil {
		return out, err
	}
	if err := checkInterfaceType(i.InterfaceType); err != nil {
		return out, err
	}
	addressing, err := parseAddressing(i.PrivateIpAddress, i.PrivateIpAddresses, i.SecondaryPrivateIpAddressCount, i.Ipv6Addresses, i.Ipv6AddressCount)
	if err != nil {
		return out, err
	}
	if addressing.Delegated, err = parseDelegations(i.Ipv4Prefixes, i.Ipv4PrefixCount, i.Ipv6Prefixes, i.Ipv6PrefixCount); err != nil {
		return out, err
	}
	tracking, err := parseTracking(i.ConnectionTrackingSpecification)
	if err != nil {
		return out, err
	}
	out.DeviceIndex = int(*i.DeviceIndex)
	if out.Existing = deref(i.NetworkInterfaceId); out.Existing != "" {
		if err := interfaceID(i.NetworkInterfaceId); err != nil {
			return out, err
		}
		out.Keep = !deref(i.DeleteOnTermination)
		return out, checkExisting(i, addressing, tracking)
	}
	if err := checkGroups(i.Groups); err != nil {
		return out, err
	}
	out.Keep = i.DeleteOnTermination != nil && !*i.DeleteOnTermination
	out.Public = i.AssociatePublicIpAddress
	out.InterfaceSpec = control.InterfaceSpec{
		Subnet: deref(i.SubnetId), Groups: i.Groups, Description: deref(i.Description), Addressing: addressing, Tracking: tracking,
	}
	return out, nil
}

// checkExisting refuses what an existing interface has of its own.
func checkExisting(i *ec2types.InstanceNetworkInterfaceSpecification, a control.Addressing, tracking *secgroup.Tracking) error {
	var what string
	switch {
	case len(i.Groups) > 0:
		what = "security groups"
	case deref(i.SubnetId) != "":
		what = "a subnet ID"
	case i.Description != nil:
		what = "a description"
	case a.Primary.IsValid() || a.MoreIPv4 > 0 || len(a.IPv6) > 0 || a.MoreIPv6 != nil:
		what = "an IP address"
	case a.Prefixed():
		what = "an address prefix"
	case deref(i.AssociatePublicIpAddress):
		what = "a public IP address"
	case tracking != nil:
		what = "a connection tracking specification"
	default:
		return nil
	}
	return secgroup.Errorf("InvalidParameterCombination", "A network interface may not specify a network interface ID and %s", what)
}

// checkGroups checks group ids of a launch: whatever is not empty is looked up.
func checkGroups(ids []string) error {
	if slices.Contains(ids, "") {
		return secgroup.Errorf("InvalidParameterValue", "Value () for parameter groupId is invalid. The value cannot be empty")
	}
	return nil
}
