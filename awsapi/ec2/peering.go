// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// peeringOperations are those of docs/spec/ec2-api.md section 9.
func (s *Service) peeringOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.RegionalOp(s.control, "CreateVpcPeeringConnection", s.createPeering),
		awsapi.RegionalOp(s.control, "AcceptVpcPeeringConnection", s.acceptPeering),
		awsapi.RegionalOp(s.control, "RejectVpcPeeringConnection", s.rejectPeering),
		awsapi.RegionalOp(s.control, "DeleteVpcPeeringConnection", s.deletePeering),
		awsapi.RegionalOp(s.control, "DescribeVpcPeeringConnections", s.describePeerings),
		awsapi.RegionalOp(s.control, "ModifyVpcPeeringConnectionOptions", s.modifyPeering),
	}
}

func checkPeeringID(id string) error {
	return secgroup.CheckID(secgroup.PeeringPrefix, id, "InvalidVpcPeeringConnectionId.Malformed")
}

// checkPeeringVPC checks the form of a VPC's id, which peering alone minds.
func checkPeeringVPC(id string) error {
	if id == "" {
		return secgroup.Errorf("InvalidVpcId.Malformed", `Invalid id: ""`)
	}
	return secgroup.CheckID(secgroup.VPCPrefix, id, "InvalidVpcId.Malformed")
}

func (s *Service) createPeering(c *awsapi.Call, in *ec2types.CreateVpcPeeringConnectionRequest) (func(context.Context) (*ec2types.CreateVpcPeeringConnectionResult, error), error) {
	if in.PeerVpcId == nil {
		return nil, missing("peerVpcId")
	}
	for _, id := range []*string{in.VpcId, in.PeerVpcId} {
		if err := checkPeeringVPC(deref(id)); err != nil {
			return nil, err
		}
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, control.PeeringType)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*ec2types.CreateVpcPeeringConnectionResult, error) {
		p, err := s.control.CreatePeering(ctx, c.Behalf(), control.PeeringRequest{
			VPC: *in.VpcId, PeerVPC: *in.PeerVpcId, PeerOwner: deref(in.PeerOwnerId), PeerRegion: deref(in.PeerRegion), Tags: tags[control.PeeringType],
		})
		if err != nil {
			return nil, err
		}
		return &ec2types.CreateVpcPeeringConnectionResult{VpcPeeringConnection: new(s.showPeering(c)(p))}, nil
	}, nil
}

func (s *Service) acceptPeering(c *awsapi.Call, in *ec2types.AcceptVpcPeeringConnectionRequest) (func(context.Context) (*ec2types.AcceptVpcPeeringConnectionResult, error), error) {
	id := deref(in.VpcPeeringConnectionId)
	return func(ctx context.Context) (*ec2types.AcceptVpcPeeringConnectionResult, error) {
		p, err := s.control.AcceptPeering(ctx, c.Behalf(), id)
		if err != nil {
			return nil, err
		}
		return &ec2types.AcceptVpcPeeringConnectionResult{VpcPeeringConnection: new(s.showPeering(c)(p))}, nil
	}, checkPeeringID(id)
}

func (s *Service) rejectPeering(c *awsapi.Call, in *ec2types.RejectVpcPeeringConnectionRequest) (func(context.Context) (*ec2types.RejectVpcPeeringConnectionResult, error), error) {
	id := deref(in.VpcPeeringConnectionId)
	return func(ctx context.Context) (*ec2types.RejectVpcPeeringConnectionResult, error) {
		if err := s.control.RejectPeering(ctx, c.Behalf(), id); err != nil {
			return nil, err
		}
		return &ec2types.RejectVpcPeeringConnectionResult{Return: new(true)}, nil
	}, checkPeeringID(id)
}

func (s *Service) deletePeering(c *awsapi.Call, in *ec2types.DeleteVpcPeeringConnectionRequest) (func(context.Context) (*ec2types.DeleteVpcPeeringConnectionResult, error), error) {
	id := deref(in.VpcPeeringConnectionId)
	return func(ctx context.Context) (*ec2types.DeleteVpcPeeringConnectionResult, error) {
		if err := s.control.DeletePeering(ctx, c.Behalf(), id); err != nil {
			return nil, err
		}
		return &ec2types.DeleteVpcPeeringConnectionResult{Return: new(true)}, nil
	}, checkPeeringID(id)
}

func (s *Service) modifyPeering(c *awsapi.Call, in *ec2types.ModifyVpcPeeringConnectionOptionsRequest) (func(context.Context) (*ec2types.ModifyVpcPeeringConnectionOptionsResult, error), error) {
	id := deref(in.VpcPeeringConnectionId)
	if err := checkPeeringID(id); err != nil {
		return nil, err
	}
	var options control.PeeringOptions
	for _, side := range []struct {
		in *ec2types.PeeringConnectionOptionsRequest
		to **bool
	}{{in.RequesterPeeringConnectionOptions, &options.Requester}, {in.AccepterPeeringConnectionOptions, &options.Accepter}} {
		if side.in == nil {
			continue
		}
		if deref(side.in.AllowEgressFromLocalClassicLinkToRemoteVpc) || deref(side.in.AllowEgressFromLocalVpcToRemoteClassicLink) {
			return nil, errNoClassicLink
		}
		*side.to = side.in.AllowDnsResolutionFromRemoteVpc
	}
	return func(ctx context.Context) (*ec2types.ModifyVpcPeeringConnectionOptionsResult, error) {
		p, err := s.control.ModifyPeering(ctx, c.Behalf(), id, options)
		if err != nil {
			return nil, err
		}
		out := &ec2types.ModifyVpcPeeringConnectionOptionsResult{}
		show := func(side *secgroup.PeeringSide) *ec2types.PeeringConnectionOptions {
			return &ec2types.PeeringConnectionOptions{
				AllowDnsResolutionFromRemoteVpc:            new(side.AllowDNS),
				AllowEgressFromLocalClassicLinkToRemoteVpc: new(false), AllowEgressFromLocalVpcToRemoteClassicLink: new(false),
			}
		}
		if options.Requester != nil {
			out.RequesterPeeringConnectionOptions = show(&p.Requester)
		}
		if options.Accepter != nil {
			out.AccepterPeeringConnectionOptions = show(&p.Accepter)
		}
		return out, nil
	}, nil
}

var peeringPaging = paging{
	operation: "DescribeVpcPeeringConnections", min: 5, max: 1000,
	withIDs: "The parameter VpcPeeringConnectionIds cannot be used with the parameter MaxResults",
}

// describePeerings shows the connections that the caller takes part in, whoever
// asked for them. Tags are those of the caller's side.
func (s *Service) describePeerings(c *awsapi.Call, in *ec2types.DescribeVpcPeeringConnectionsRequest) (func(context.Context) (*ec2types.DescribeVpcPeeringConnectionsResult, error), error) {
	cursor, err := peeringPaging.cursor(c.Scope(), in, len(in.VpcPeeringConnectionIds) > 0)
	if err != nil {
		return nil, err
	}
	for _, id := range in.VpcPeeringConnectionIds {
		if err := checkPeeringID(id); err != nil {
			return nil, err
		}
	}
	match, err := peeringFilters(c.Scope()).compile(in.Filters)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (*ec2types.DescribeVpcPeeringConnectionsResult, error) {
		found, err := s.control.Peerings(s.control.Read(), c.Scope(), in.VpcPeeringConnectionIds...)
		if err != nil {
			return nil, err
		}
		out := &ec2types.DescribeVpcPeeringConnectionsResult{}
		out.VpcPeeringConnections, out.NextToken = list(cursor, found, match,
			func(p *secgroup.Peering) string { return sortKey(p.Created, p.ID) }, s.showPeering(c))
		return out, nil
	}, nil
}

func peeringFilters(scope secgroup.Scope) filters[secgroup.Peering] {
	f := filters[secgroup.Peering]{
		names: map[string]func(*secgroup.Peering) []string{
			"expiration-time": some(func(p *secgroup.Peering) string {
				if p.State != secgroup.PeeringPending {
					return ""
				}
				return p.Expires.Format(time.RFC3339)
			}),
			"status-code":               one(func(p *secgroup.Peering) string { return string(p.State) }),
			"status-message":            one(peeringMessage),
			"vpc-peering-connection-id": one(func(p *secgroup.Peering) string { return p.ID }),
		},
		tags: func(p *secgroup.Peering) secgroup.Tags { return p.Side(scope).Tags },
	}
	for name, side := range map[string]func(*secgroup.Peering) *secgroup.PeeringSide{
		"requester-vpc-info.": func(p *secgroup.Peering) *secgroup.PeeringSide { return &p.Requester },
		"accepter-vpc-info.":  func(p *secgroup.Peering) *secgroup.PeeringSide { return &p.Accepter },
	} {
		f.names[name+"owner-id"] = one(func(p *secgroup.Peering) string { return side(p).Account })
		f.names[name+"vpc-id"] = one(func(p *secgroup.Peering) string { return side(p).VPC })
		f.names[name+"cidr-block"] = func(p *secgroup.Peering) []string { return each(side(p).CIDRs, netip.Prefix.String) }
	}
	return f
}

// peeringMessage says a state in words (section 9.2).
func peeringMessage(p *secgroup.Peering) string {
	switch p.State {
	case secgroup.PeeringPending:
		return "Pending Acceptance by " + p.Accepter.Account
	case secgroup.PeeringActive:
		return "Active"
	case secgroup.PeeringRejected:
		return "Rejected by " + p.By
	case secgroup.PeeringDeleted:
		return "Deleted by " + p.By
	case secgroup.PeeringExpired:
		return "Expired"
	}
	return "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
}

func (s *Service) showPeering(c *awsapi.Call) func(*secgroup.Peering) ec2types.VpcPeeringConnection {
	return func(p *secgroup.Peering) ec2types.VpcPeeringConnection {
		out := ec2types.VpcPeeringConnection{
			VpcPeeringConnectionId: &p.ID,
			Status:                 &ec2types.VpcPeeringConnectionStateReason{Code: new(string(p.State)), Message: new(peeringMessage(p))},
			RequesterVpcInfo:       showPeeringSide(&p.Requester), AccepterVpcInfo: showPeeringSide(&p.Accepter),
			Tags: tagSetOrEmpty(p.Side(c.Scope()).Tags),
		}
		if p.State == secgroup.PeeringPending {
			out.ExpirationTime = &p.Expires
		}
		return out
	}
}

// showPeeringSide shows the blocks of a side that has accepted or asked.
func showPeeringSide(side *secgroup.PeeringSide) *ec2types.VpcPeeringConnectionVpcInfo {
	out := &ec2types.VpcPeeringConnectionVpcInfo{OwnerId: &side.Account, VpcId: &side.VPC, Region: &side.Region}
	if len(side.CIDRs) == 0 {
		return out
	}
	out.CidrBlock = new(side.CIDRs[0].String())
	out.CidrBlockSet = each(side.CIDRs, func(p netip.Prefix) ec2types.CidrBlock { return ec2types.CidrBlock{CidrBlock: new(p.String())} })
	if len(side.IPv6) > 0 {
		out.Ipv6CidrBlockSet = each(side.IPv6, func(p netip.Prefix) ec2types.Ipv6CidrBlock {
			return ec2types.Ipv6CidrBlock{Ipv6CidrBlock: new(p.String())}
		})
	}
	out.PeeringOptions = &ec2types.VpcPeeringConnectionOptionsDescription{
		AllowDnsResolutionFromRemoteVpc:            new(side.AllowDNS),
		AllowEgressFromLocalClassicLinkToRemoteVpc: new(false), AllowEgressFromLocalVpcToRemoteClassicLink: new(false),
	}
	return out
}
