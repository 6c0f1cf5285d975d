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

func unknownAttribute(name string) error {
	return secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
}

// describeNetworkInterfaceAttribute is section 5.2 of docs/spec/ec2-api.md.
func (s *Service) describeNetworkInterfaceAttribute(c *awsapi.Call, in *ec2types.DescribeNetworkInterfaceAttributeRequest) (func(context.Context) (*ec2types.DescribeNetworkInterfaceAttributeResult, error), error) {
	if err := interfaceID(in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	var show func(*iface, *ec2types.DescribeNetworkInterfaceAttributeResult)
	switch name := deref(in.Attribute); name {
	case "":
		return nil, missing("attribute")
	case "description":
		show = func(i *iface, out *ec2types.DescribeNetworkInterfaceAttributeResult) {
			out.Description = &ec2types.AttributeValue{Value: &i.Description}
		}
	case "groupSet":
		show = func(i *iface, out *ec2types.DescribeNetworkInterfaceAttributeResult) { out.Groups = i.groups() }
	case "sourceDestCheck":
		show = func(i *iface, out *ec2types.DescribeNetworkInterfaceAttributeResult) {
			out.SourceDestCheck = &ec2types.AttributeBooleanValue{Value: &i.SourceDestCheck}
		}
	case "attachment":
		show = func(i *iface, out *ec2types.DescribeNetworkInterfaceAttributeResult) {
			out.Attachment = showAttachment(i.Interface)
		}
	case "associatePublicIpAddress":
		show = func(i *iface, out *ec2types.DescribeNetworkInterfaceAttributeResult) {
			out.AssociatePublicIpAddress = &i.AutoPublic
		}
	default:
		return nil, unknownAttribute(name)
	}
	return func(context.Context) (*ec2types.DescribeNetworkInterfaceAttributeResult, error) {
		snap := s.control.Read()
		rows, err := control.Interfaces(snap, c.Scope(), *in.NetworkInterfaceId)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeNetworkInterfaceAttributeResult{NetworkInterfaceId: &rows[0].ID}
		show(&iface{Interface: rows[0], snap: snap}, out)
		return out, nil
	}, nil
}

// oneAttribute refuses a request that changes no attribute, or several.
func oneAttribute(given []string) error {
	switch len(given) {
	case 0:
		return secgroup.Errorf("InvalidParameterCombination", "No attributes specified.")
	case 1:
		return nil
	}
	return secgroup.Errorf("InvalidParameterCombination", "Fields for multiple attribute types specified: %s", strings.Join(given, ", "))
}

// modifyNetworkInterfaceAttribute is section 5.3.
func (s *Service) modifyNetworkInterfaceAttribute(c *awsapi.Call, in *ec2types.ModifyNetworkInterfaceAttributeRequest) (func(context.Context) (*ec2types.ModifyNetworkInterfaceAttributeResult, error), error) {
	if err := interfaceID(in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	tracking, err := parseTracking(in.ConnectionTrackingSpecification)
	if err != nil {
		return nil, err
	}
	var change control.InterfaceChange
	var given []string
	add := func(is bool, name string) bool {
		if is {
			given = append(given, name)
		}
		return is
	}
	if add(len(in.Groups) > 0, "groupSet") {
		change.Groups = in.Groups
	}
	if add(in.SourceDestCheck != nil && in.SourceDestCheck.Value != nil, "sourceDestCheck") {
		change.SourceDestCheck = in.SourceDestCheck.Value
	}
	if add(in.Description != nil && in.Description.Value != nil, "description") {
		change.Description = in.Description.Value
	}
	if add(in.Attachment != nil, "attachment") {
		if change.Attachment, err = parseAttachmentChange(in.Attachment); err != nil {
			return nil, err
		}
	}
	if add(tracking != nil, "connectionTrackingSpecification") {
		change.Tracking = tracking
	}
	add(in.EnaSrdSpecification != nil, "enaSrdSpecification")
	add(in.EnablePrimaryIpv6 != nil, "enablePrimaryIpv6")
	add(in.AssociatePublicIpAddress != nil, "associatePublicIpAddress")
	add(len(in.AssociatedSubnetIds) > 0, "associatedSubnetIds")
	if err := oneAttribute(given); err != nil {
		return nil, err
	}
	switch given[0] {
	case "enaSrdSpecification", "enablePrimaryIpv6", "associatePublicIpAddress", "associatedSubnetIds":
		return nil, errUnsupported
	}
	for _, id := range in.Groups {
		if err := secgroup.CheckID(secgroup.GroupPrefix, id, badGroupID); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (*ec2types.ModifyNetworkInterfaceAttributeResult, error) {
		return result[ec2types.ModifyNetworkInterfaceAttributeResult](
			s.control.ModifyNetworkInterfaceAttribute(ctx, c.Behalf(), *in.NetworkInterfaceId, change))
	}, nil
}

func parseAttachmentChange(in *ec2types.NetworkInterfaceAttachmentChanges) (*control.AttachmentChange, error) {
	switch {
	case in.EnaQueueCount != nil || in.DefaultEnaQueueCount != nil:
		return nil, errUnsupported
	case deref(in.AttachmentId) == "":
		return nil, missing("attachmentId")
	case in.DeleteOnTermination == nil:
		return nil, missing("deleteOnTermination")
	}
	return &control.AttachmentChange{ID: *in.AttachmentId, DeleteOnTermination: *in.DeleteOnTermination}, nil
}

// resetNetworkInterfaceAttribute is section 5.3: the one attribute that has a
// default gets it back, whatever the value given.
func (s *Service) resetNetworkInterfaceAttribute(c *awsapi.Call, in *ec2types.ResetNetworkInterfaceAttributeRequest) (func(context.Context) (*ec2types.ResetNetworkInterfaceAttributeResult, error), error) {
	if err := interfaceID(in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	if in.SourceDestCheck == nil {
		return nil, missing("sourceDestCheck")
	}
	return func(ctx context.Context) (*ec2types.ResetNetworkInterfaceAttributeResult, error) {
		return result[ec2types.ResetNetworkInterfaceAttributeResult](s.control.ModifyNetworkInterfaceAttribute(ctx, c.Behalf(),
			*in.NetworkInterfaceId, control.InterfaceChange{SourceDestCheck: new(true)}))
	}, nil
}
