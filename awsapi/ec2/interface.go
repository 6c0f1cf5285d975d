// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

func (s *Service) interfaceOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateNetworkInterface", s.createNetworkInterface),
		awsapi.RegionalOp(s.control, "DeleteNetworkInterface", s.deleteNetworkInterface),
		awsapi.RegionalOp(s.control, "DescribeNetworkInterfaces", s.describeNetworkInterfaces),
		awsapi.RegionalOp(s.control, "DescribeNetworkInterfaceAttribute", s.describeNetworkInterfaceAttribute),
		awsapi.RegionalOp(s.control, "ModifyNetworkInterfaceAttribute", s.modifyNetworkInterfaceAttribute),
		awsapi.RegionalOp(s.control, "ResetNetworkInterfaceAttribute", s.resetNetworkInterfaceAttribute),
		awsapi.RegionalOp(s.control, "AttachNetworkInterface", s.attachNetworkInterface),
		awsapi.RegionalOp(s.control, "DetachNetworkInterface", s.detachNetworkInterface),
		awsapi.RegionalOp(s.control, "AssignPrivateIpAddresses", s.assignPrivateIPAddresses),
		awsapi.RegionalOp(s.control, "UnassignPrivateIpAddresses", s.unassignPrivateIPAddresses),
		awsapi.RegionalOp(s.control, "AssignIpv6Addresses", s.assignIPv6Addresses),
		awsapi.RegionalOp(s.control, "UnassignIpv6Addresses", s.unassignIPv6Addresses),
	}
}

// interfaceID checks the form of an interface's id that a request must have.
func interfaceID(id *string) error {
	if deref(id) == "" {
		return missing("networkInterfaceId")
	}
	return secgroup.CheckID(secgroup.InterfacePrefix, *id, "InvalidNetworkInterfaceId.Malformed")
}

// createNetworkInterface is section 5.1 of docs/spec/ec2-api.md.
func (s *Service) createNetworkInterface(c *awsapi.Call, in *ec2types.CreateNetworkInterfaceRequest) (func(context.Context) (*ec2types.CreateNetworkInterfaceResult, error), error) {
	if deref(in.SubnetId) == "" {
		return nil, missing("subnetId")
	}
	if err := checkInterfaceType(in.InterfaceType); err != nil {
		return nil, err
	}
	if in.Operator != nil || deref(in.EnablePrimaryIpv6) {
		return nil, errUnsupported
	}
	for _, id := range in.Groups {
		if err := secgroup.CheckID(secgroup.GroupPrefix, id, "InvalidSecurityGroupId.Malformed"); err != nil {
			return nil, err
		}
	}
	addressing, err := parseAddressing(in.PrivateIpAddress, in.PrivateIpAddresses, in.SecondaryPrivateIpAddressCount, in.Ipv6Addresses, in.Ipv6AddressCount)
	if err != nil {
		return nil, err
	}
	if addressing.Delegated, err = parseDelegations(in.Ipv4Prefixes, in.Ipv4PrefixCount, in.Ipv6Prefixes, in.Ipv6PrefixCount); err != nil {
		return nil, err
	}
	tracking, err := parseTracking(in.ConnectionTrackingSpecification)
	if err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.InterfaceType)
	if err != nil {
		return nil, err
	}
	token, err := clientToken(in)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateNetworkInterfaceResult, error) {
		made, err := s.control.CreateNetworkInterface(ctx, c.Behalf(), control.InterfaceSpec{
			Subnet: *in.SubnetId, Groups: in.Groups, Description: deref(in.Description),
			Addressing: addressing, Tracking: tracking, Tags: tags[control.InterfaceType],
		}, token)
		if err != nil {
			return nil, err
		}
		shown := showInterface(&iface{Interface: made, snap: s.control.Read()})
		shown.Status = new("pending") // clients wait for the state that every describe shows
		return &ec2types.CreateNetworkInterfaceResult{NetworkInterface: &shown, ClientToken: in.ClientToken}, nil
	}, nil
}

// deleteNetworkInterface is section 5.4.
func (s *Service) deleteNetworkInterface(c *awsapi.Call, in *ec2types.DeleteNetworkInterfaceRequest) (func(context.Context) (*ec2types.DeleteNetworkInterfaceResult, error), error) {
	if err := interfaceID(in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.DeleteNetworkInterfaceResult, error) {
		return result[ec2types.DeleteNetworkInterfaceResult](s.control.DeleteNetworkInterface(ctx, c.Behalf(), *in.NetworkInterfaceId))
	}, nil
}

// attachNetworkInterface is section 5.4.
func (s *Service) attachNetworkInterface(c *awsapi.Call, in *ec2types.AttachNetworkInterfaceRequest) (func(context.Context) (*ec2types.AttachNetworkInterfaceResult, error), error) {
	if err := interfaceID(in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	if err := instanceID(in.InstanceId); err != nil {
		return nil, err
	}
	if in.DeviceIndex == nil {
		return nil, missing("deviceIndex")
	}
	if err := checkDeviceIndex(*in.DeviceIndex); err != nil {
		return nil, err
	}
	if deref(in.NetworkCardIndex) != 0 || in.EnaQueueCount != nil || in.EnaSrdSpecification != nil {
		return nil, errUnsupported
	}
	return func(ctx context.Context) (*ec2types.AttachNetworkInterfaceResult, error) {
		a, err := s.control.AttachNetworkInterface(ctx, c.Behalf(), *in.NetworkInterfaceId, *in.InstanceId, int(*in.DeviceIndex))
		if err != nil {
			return nil, err
		}
		return &ec2types.AttachNetworkInterfaceResult{AttachmentId: new(a.ID), NetworkCardIndex: new(int32(0))}, nil
	}, nil
}

// detachNetworkInterface is section 5.4. Force changes nothing: no operating
// system is asked.
func (s *Service) detachNetworkInterface(c *awsapi.Call, in *ec2types.DetachNetworkInterfaceRequest) (func(context.Context) (*ec2types.DetachNetworkInterfaceResult, error), error) {
	id := deref(in.AttachmentId)
	if id == "" {
		return nil, missing("attachmentId")
	}
	return func(ctx context.Context) (*ec2types.DetachNetworkInterfaceResult, error) {
		if strings.HasPrefix(id, "ela-attach-") {
			return nil, secgroup.Errorf("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.")
		}
		return result[ec2types.DetachNetworkInterfaceResult](s.control.DetachNetworkInterface(ctx, c.Behalf(), id))
	}, nil
}
