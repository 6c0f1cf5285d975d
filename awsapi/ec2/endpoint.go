// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// endpointOperations are those on VPC endpoints (docs/spec/ec2-api.md section
// 4.7).
func (s *Service) endpointOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateVpcEndpoint", s.createVpcEndpoint),
		awsapi.RegionalOp(s.control, "ModifyVpcEndpoint", s.modifyVpcEndpoint),
		awsapi.RegionalOp(s.control, "DeleteVpcEndpoints", s.deleteVpcEndpoints),
		awsapi.RegionalOp(s.control, "DescribeVpcEndpoints", s.describeVpcEndpoints),
		awsapi.RegionalOp(s.control, "DescribeVpcEndpointServices", s.describeVpcEndpointServices),
	}
}

const (
	interfaceEndpoint = "Interface"
	onlyIPv4          = "ipv4"
	openPolicy        = `{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}`
)

// vpcEndpoint is one with the snapshot that knows what it names.
type vpcEndpoint struct {
	*secgroup.VPCEndpoint
	snap *model.Snapshot
}

func showEndpoint(e vpcEndpoint) ec2types.VpcEndpoint {
	out := ec2types.VpcEndpoint{
		VpcEndpointId: &e.ID, VpcEndpointType: new(interfaceEndpoint), VpcId: &e.VPC, OwnerId: &e.Account, ServiceName: new(e.ServiceName()),
		ServiceRegion: &e.Region, State: new(string(e.State)), SubnetIds: e.Subnets, PrivateDnsEnabled: &e.PrivateDNS, RequesterManaged: new(false),
		PolicyDocument: new(openPolicy), IpAddressType: new(onlyIPv4), CreationTimestamp: &e.Created, RouteTableIds: []string{},
		DnsOptions: &ec2types.DnsOptions{DnsRecordIpType: new(onlyIPv4)}, Tags: tagSetOrEmpty(e.Tags), NetworkInterfaceIds: []string{},
		DnsEntries: []ec2types.DnsEntry{{DnsName: new(e.DNSName())}},
	}
	for _, i := range e.snap.EndpointInterfaces(e.VPCEndpoint) {
		out.NetworkInterfaceIds = append(out.NetworkInterfaceIds, i.ID)
	}
	for _, id := range e.Groups {
		shown := ec2types.SecurityGroupIdentifier{GroupId: &id}
		if g := e.snap.Groups.Get(id); g != nil {
			shown.GroupName = &g.Name
		}
		out.Groups = append(out.Groups, shown)
	}
	return out
}

func (s *Service) createVpcEndpoint(c *awsapi.Call, in *ec2types.CreateVpcEndpointRequest) (func(context.Context) (*ec2types.CreateVpcEndpointResult, error), error) {
	switch {
	case deref(in.VpcId) == "":
		return nil, missing("VpcId")
	case deref(in.ServiceName) == "":
		return nil, missing("ServiceName")
	case deref(in.VpcEndpointType) != interfaceEndpoint, in.PolicyDocument != nil, in.ResourceConfigurationArn != nil, in.ServiceNetworkArn != nil,
		len(in.RouteTableIds) > 0, len(in.SubnetConfigurations) > 0, in.IpAddressType != nil && *in.IpAddressType != onlyIPv4,
		in.ServiceRegion != nil && *in.ServiceRegion != c.Region:
		return nil, errUnsupported // gateway endpoints among them, which are the default
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.EndpointType)
	if err != nil {
		return nil, err
	}
	spec := control.EndpointSpec{
		VPC: *in.VpcId, Service: *in.ServiceName, Subnets: in.SubnetIds, Groups: in.SecurityGroupIds,
		PrivateDNS: in.PrivateDnsEnabled == nil || *in.PrivateDnsEnabled, Tags: tags[control.EndpointType],
	}
	token, err := clientToken(in)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateVpcEndpointResult, error) {
		e, err := s.control.CreateEndpoint(ctx, c.Behalf(), spec, token)
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateVpcEndpointResult{VpcEndpoint: new(showEndpoint(vpcEndpoint{e, s.control.Read()})), ClientToken: in.ClientToken}, nil
	}, nil
}

func endpointID(id *string) error {
	if deref(id) == "" {
		return missing("VpcEndpointId")
	}
	return secgroup.CheckID(secgroup.EndpointPrefix, *id, "InvalidVpcEndpointId.Malformed")
}

func (s *Service) modifyVpcEndpoint(c *awsapi.Call, in *ec2types.ModifyVpcEndpointRequest) (func(context.Context) (*ec2types.ModifyVpcEndpointResult, error), error) {
	if err := endpointID(in.VpcEndpointId); err != nil {
		return nil, err
	}
	if in.PolicyDocument != nil || len(in.AddRouteTableIds)+len(in.RemoveRouteTableIds)+len(in.SubnetConfigurations) > 0 ||
		in.IpAddressType != nil && *in.IpAddressType != onlyIPv4 {
		return nil, errUnsupported
	}
	change := control.EndpointChange{
		AddSubnets: in.AddSubnetIds, RemoveSubnets: in.RemoveSubnetIds, AddGroups: in.AddSecurityGroupIds, RemoveGroups: in.RemoveSecurityGroupIds,
		PrivateDNS: in.PrivateDnsEnabled,
	}
	return func(ctx context.Context) (*ec2types.ModifyVpcEndpointResult, error) {
		if err := s.control.ModifyEndpoint(ctx, c.Behalf(), *in.VpcEndpointId, change); err != nil {
			return nil, err
		}
		return &ec2types.ModifyVpcEndpointResult{Return: new(true)}, nil
	}, nil
}

func (s *Service) deleteVpcEndpoints(c *awsapi.Call, in *ec2types.DeleteVpcEndpointsRequest) (func(context.Context) (*ec2types.DeleteVpcEndpointsResult, error), error) {
	if len(in.VpcEndpointIds) == 0 {
		return nil, missing("VpcEndpointId")
	}
	for _, id := range in.VpcEndpointIds {
		if err := endpointID(&id); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (*ec2types.DeleteVpcEndpointsResult, error) {
		unknown, err := s.control.DeleteEndpoints(ctx, c.Behalf(), in.VpcEndpointIds)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DeleteVpcEndpointsResult{Unsuccessful: []ec2types.UnsuccessfulItem{}}
		for _, id := range unknown {
			out.Unsuccessful = append(out.Unsuccessful, ec2types.UnsuccessfulItem{ResourceId: &id, Error: &ec2types.UnsuccessfulItemError{
				Code: new("InvalidVpcEndpoint.NotFound"), Message: new("The Vpc Endpoint Id '" + id + "' does not exist"),
			}})
		}
		return out, nil
	}, nil
}

var (
	endpointPaging = paging{
		operation: "DescribeVpcEndpoints", min: 5, max: 1000,
		withIDs: "The parameter VpcEndpointIds cannot be used with the parameter MaxResults",
	}

	endpointFilters = filters[vpcEndpoint]{
		names: map[string]func(*vpcEndpoint) []string{
			"ip-address-type":    one(func(*vpcEndpoint) string { return onlyIPv4 }),
			"service-name":       one(func(e *vpcEndpoint) string { return e.ServiceName() }),
			"service-region":     one(func(e *vpcEndpoint) string { return e.Region }),
			"vpc-id":             one(func(e *vpcEndpoint) string { return e.VPC }),
			"vpc-endpoint-id":    one(func(e *vpcEndpoint) string { return e.ID }),
			"vpc-endpoint-state": one(func(e *vpcEndpoint) string { return string(e.State) }),
			"vpc-endpoint-type":  one(func(*vpcEndpoint) string { return interfaceEndpoint }),
		},
		tags: func(e *vpcEndpoint) secgroup.Tags { return e.Tags },
	}
)

func (s *Service) describeVpcEndpoints(c *awsapi.Call, in *ec2types.DescribeVpcEndpointsRequest) (func(context.Context) (*ec2types.DescribeVpcEndpointsResult, error), error) {
	for _, id := range in.VpcEndpointIds {
		if err := endpointID(&id); err != nil {
			return nil, err
		}
	}
	cursor, err := endpointPaging.cursor(c.Scope(), in, len(in.VpcEndpointIds) > 0)
	if err != nil {
		return nil, err
	}
	match, err := endpointFilters.compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeVpcEndpointsResult, error) {
		snap := s.control.Read()
		rows, err := control.Endpoints(snap, c.Scope(), in.VpcEndpointIds...)
		if err != nil {
			return nil, err
		}
		found := make([]*vpcEndpoint, len(rows))
		for n, e := range rows {
			found[n] = &vpcEndpoint{e, snap}
		}
		out := &ec2types.DescribeVpcEndpointsResult{}
		out.VpcEndpoints, out.NextToken = list(cursor, found, match,
			func(e *vpcEndpoint) string { return sortKey(e.Created, e.ID) }, func(e *vpcEndpoint) ec2types.VpcEndpoint { return showEndpoint(*e) })
		return out, nil
	}, nil
}

func (s *Service) describeVpcEndpointServices(c *awsapi.Call, in *ec2types.DescribeVpcEndpointServicesRequest) (func(context.Context) (*ec2types.DescribeVpcEndpointServicesResult, error), error) {
	if len(in.Filters) > 0 || len(in.ServiceRegions) > 0 {
		return nil, errUnsupported
	}
	return func(context.Context) (*ec2types.DescribeVpcEndpointServicesResult, error) {
		out := &ec2types.DescribeVpcEndpointServicesResult{ServiceNames: []string{}, ServiceDetails: []ec2types.ServiceDetail{}}
		offered := map[string]bool{}
		for _, known := range control.EndpointServices {
			offered[known.In(c.Region)] = true
		}
		wanted := in.ServiceNames
		if len(wanted) == 0 {
			for _, known := range control.EndpointServices {
				wanted = append(wanted, known.In(c.Region))
			}
		}
		for _, name := range wanted {
			if !offered[name] {
				return nil, secgroup.Errorf("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", name)
			}
			out.ServiceNames = append(out.ServiceNames, name)
			out.ServiceDetails = append(out.ServiceDetails, ec2types.ServiceDetail{
				ServiceName: &name, ServiceRegion: &c.Region, Owner: new("amazon"), AcceptanceRequired: new(false), ManagesVpcEndpoints: new(false),
				ServiceType: []ec2types.ServiceTypeDetail{{ServiceType: new(interfaceEndpoint)}}, VpcEndpointPolicySupported: new(false),
			})
		}
		return out, nil
	}, nil
}
