// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// gatewayOperations are those on internet gateways (docs/spec/ec2-api.md section
// 4.5).
func (s *Service) gatewayOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateInternetGateway", s.createInternetGateway),
		awsapi.RegionalOp(s.control, "DeleteInternetGateway", s.deleteInternetGateway),
		awsapi.RegionalOp(s.control, "DescribeInternetGateways", s.describeInternetGateways),
		awsapi.RegionalOp(s.control, "AttachInternetGateway", s.attachInternetGateway),
		awsapi.RegionalOp(s.control, "DetachInternetGateway", s.detachInternetGateway),
	}
}

// gatewayAttached is the state of every attachment of a gateway. The model's
// enumeration does not have it, and yet it is what EC2 answers and clients wait
// for.
const gatewayAttached = "available"

func showGateway(g *secgroup.InternetGateway) ec2types.InternetGateway {
	out := ec2types.InternetGateway{
		InternetGatewayId: &g.ID, OwnerId: &g.Account, Tags: tagSetOrEmpty(g.Tags), Attachments: []ec2types.InternetGatewayAttachment{},
	}
	if g.VPC != "" {
		out.Attachments = append(out.Attachments, ec2types.InternetGatewayAttachment{State: new(gatewayAttached), VpcId: &g.VPC})
	}
	return out
}

func gatewayID(id *string) error {
	if deref(id) == "" {
		return missing("internetGatewayId")
	}
	return secgroup.CheckID(secgroup.InternetGatewayPrefix, *id, "InvalidInternetGatewayId.Malformed")
}

func (s *Service) createInternetGateway(c *awsapi.Call, in *ec2types.CreateInternetGatewayRequest) (func(context.Context) (*ec2types.CreateInternetGatewayResult, error), error) {
	tags, err := parseTagSpecifications(in.TagSpecifications, control.InternetGatewayType)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateInternetGatewayResult, error) {
		g, err := s.control.CreateInternetGateway(ctx, c.Behalf(), tags[control.InternetGatewayType])
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateInternetGatewayResult{InternetGateway: new(showGateway(g))}, nil
	}, nil
}

func (s *Service) deleteInternetGateway(c *awsapi.Call, in *ec2types.DeleteInternetGatewayRequest) (func(context.Context) (*ec2types.DeleteInternetGatewayResult, error), error) {
	return func(ctx context.Context) (*ec2types.DeleteInternetGatewayResult, error) {
		return result[ec2types.DeleteInternetGatewayResult](s.control.DeleteInternetGateway(ctx, c.Behalf(), *in.InternetGatewayId))
	}, gatewayID(in.InternetGatewayId)
}

// gatewayAndVPC checks what an attachment is named by.
func gatewayAndVPC(gateway, vpc *string) error {
	if err := gatewayID(gateway); err != nil {
		return err
	}
	if deref(vpc) == "" {
		return missing("vpcId")
	}
	return nil
}

func (s *Service) attachInternetGateway(c *awsapi.Call, in *ec2types.AttachInternetGatewayRequest) (func(context.Context) (*ec2types.AttachInternetGatewayResult, error), error) {
	return func(ctx context.Context) (*ec2types.AttachInternetGatewayResult, error) {
		return result[ec2types.AttachInternetGatewayResult](s.control.AttachInternetGateway(ctx, c.Behalf(), *in.InternetGatewayId, *in.VpcId))
	}, gatewayAndVPC(in.InternetGatewayId, in.VpcId)
}

func (s *Service) detachInternetGateway(c *awsapi.Call, in *ec2types.DetachInternetGatewayRequest) (func(context.Context) (*ec2types.DetachInternetGatewayResult, error), error) {
	return func(ctx context.Context) (*ec2types.DetachInternetGatewayResult, error) {
		return result[ec2types.DetachInternetGatewayResult](s.control.DetachInternetGateway(ctx, c.Behalf(), *in.InternetGatewayId, *in.VpcId))
	}, gatewayAndVPC(in.InternetGatewayId, in.VpcId)
}

var (
	gatewayPaging = paging{
		operation: "DescribeInternetGateways", min: 5, max: 1000,
		withIDs: "The parameter InternetGatewayIds cannot be used with the parameter MaxResults",
	}

	gatewayFilters = filters[secgroup.InternetGateway]{
		names: map[string]func(*secgroup.InternetGateway) []string{
			"attachment.state": some(func(g *secgroup.InternetGateway) string {
				if g.VPC == "" {
					return ""
				}
				return gatewayAttached
			}),
			"attachment.vpc-id":   some(func(g *secgroup.InternetGateway) string { return g.VPC }),
			"internet-gateway-id": one(func(g *secgroup.InternetGateway) string { return g.ID }),
			"owner-id":            one(func(g *secgroup.InternetGateway) string { return g.Account }),
		},
		tags: func(g *secgroup.InternetGateway) secgroup.Tags { return g.Tags },
	}
)

func (s *Service) describeInternetGateways(c *awsapi.Call, in *ec2types.DescribeInternetGatewaysRequest) (func(context.Context) (*ec2types.DescribeInternetGatewaysResult, error), error) {
	for _, id := range in.InternetGatewayIds {
		if err := gatewayID(&id); err != nil {
			return nil, err
		}
	}
	cursor, err := gatewayPaging.cursor(c.Scope(), in, len(in.InternetGatewayIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := gatewayFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeInternetGatewaysResult, error) {
		rows, err := control.InternetGateways(s.control.Read(), c.Scope(), in.InternetGatewayIds...)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeInternetGatewaysResult{}
		out.InternetGateways, out.NextToken = list(cursor, rows, match,
			func(g *secgroup.InternetGateway) string { return sortKey(g.Created, g.ID) }, showGateway)
		return out, nil
	}, nil
}
