// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

var noEndpoint = absent{"InvalidVpcEndpointId.NotFound", "VpcEndpoint"}

// EndpointServices are what interface endpoints can lead to here.
var EndpointServices = []secgroup.EndpointService{secgroup.StreamingEndpoint, secgroup.APIEndpoint}

// EndpointSpec is an interface endpoint as it is asked for.
type EndpointSpec struct {
	VPC, Service string   // id, and the name with its Region
	Subnets      []string // one per zone; at least one
	Groups       []string // none means the VPC's default group
	PrivateDNS   bool
	Tags         secgroup.Tags
}

func endpointOf(snap *model.Snapshot, scope secgroup.Scope, id string) (*secgroup.VPCEndpoint, error) {
	if e := snap.VPCEndpoints.Get(id); e != nil && e.Scope == scope {
		return e, nil
	}
	return nil, noEndpoint.err(id)
}

// Endpoints returns the scope's endpoints of these ids, or all for none.
//
// Errors: InvalidVpcEndpointId.NotFound.
func Endpoints(snap *model.Snapshot, scope secgroup.Scope, ids ...string) ([]*secgroup.VPCEndpoint, error) {
	return rowsOrAll(&snap.VPCEndpoints, scope, ids, noEndpoint, func(e *secgroup.VPCEndpoint) bool { return e.Scope == scope })
}

// CreateEndpoint makes an interface endpoint: an interface in each subnet, behind
// which an instance of the service's answers (docs/spec/appstream.md section 1.7).
//
// Errors: InvalidVpcID.NotFound, InvalidServiceName, InvalidSubnetID.NotFound,
// InvalidParameter, DuplicateSubnetsInSameZone, those of groups and of interfaces,
// TagLimitExceeded, IdempotentParameterMismatch.
func (s *Service) CreateEndpoint(ctx context.Context, caller Caller, spec EndpointSpec, token ClientToken) (made *secgroup.VPCEndpoint, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		ids, err := s.once(tx, caller.Scope, "CreateVpcEndpoint", token, func() ([]string, error) {
			v, err := findVPC(tx.Snapshot, caller.Scope, spec.VPC)
			if err != nil {
				return nil, err
			}
			i := slices.IndexFunc(EndpointServices, func(known secgroup.EndpointService) bool { return known.In(caller.Region) == spec.Service })
			if i < 0 {
				return nil, secgroup.Errorf("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", spec.Service)
			}
			if err := s.checkTagCount(spec.Tags); err != nil {
				return nil, err
			}
			e := &secgroup.VPCEndpoint{
				Scope: caller.Scope, ID: newID(secgroup.EndpointPrefix), VPC: v.ID, Service: EndpointServices[i], PrivateDNS: spec.PrivateDNS,
				State: secgroup.EndpointPending, Tags: spec.Tags, Created: s.now().UTC(),
			}
			if err := s.reshape(tx, e, spec.Subnets, spec.Groups); err != nil {
				return nil, err
			}
			tx.VPCEndpoints.Put(e)
			return []string{e.ID}, nil
		})
		if err != nil {
			return err
		}
		made, err = endpointOf(tx.Snapshot, caller.Scope, ids[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// reshape gives an endpoint these subnets and groups, with an interface in each
// subnet and none in others. The caller puts e.
func (s *Service) reshape(tx *model.Tx, e *secgroup.VPCEndpoint, subnets, groups []string) error {
	if len(subnets) == 0 {
		return secgroup.Errorf("InvalidParameter", "An interface endpoint must have at least one subnet.")
	}
	zones := map[string]bool{}
	var found []*secgroup.Subnet
	for _, id := range subnets {
		n, err := subnetOf(tx.Snapshot, e.Scope, id)
		switch {
		case err != nil:
			return err
		case n.VPC != e.VPC:
			return secgroup.Errorf("InvalidParameter", "The subnet ID '%s' is not in the VPC %s.", id, e.VPC)
		case zones[n.Zone]:
			return secgroup.Errorf("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of %s.", id)
		}
		zones[n.Zone] = true
		found = append(found, n)
	}
	checked, err := ofNewInterface.groups(tx, s.quotas(tx.Snapshot, e.Scope), found[0], groups)
	if err != nil {
		return err
	}
	e.Subnets, e.Groups = subnets, checked
	there := map[string]bool{}
	for _, in := range streamingOf(tx.Snapshot, e.Scope, secgroup.EndpointKind, e.ID) {
		was := CustomerInterface(tx.Snapshot, in.ID)
		switch {
		case was == nil:
		case !slices.Contains(subnets, was.Subnet):
			s.dismiss(tx, in, false)
		default:
			there[was.Subnet] = true
			i := *was
			i.Groups = checked
			tx.Interfaces.Put(&i)
		}
	}
	for _, n := range found {
		if there[n.ID] {
			continue
		}
		if err := s.provisionEndpoint(tx, e, n); err != nil {
			return err
		}
		e.State = secgroup.EndpointPending
	}
	return nil
}

// provisionEndpoint puts the instance that answers for an endpoint in one subnet.
func (s *Service) provisionEndpoint(tx *model.Tx, e *secgroup.VPCEndpoint, n *secgroup.Subnet) error {
	m, err := s.managementOf(tx)
	if err != nil {
		return err
	}
	in, err := s.newStreaming(tx, secgroup.Streaming{Owner: e.Scope, Kind: secgroup.EndpointKind, Name: e.ID}, "", "", s.now().UTC())
	if err != nil {
		return err
	}
	i, err := s.newInterface(tx, n, e.Groups, &InterfaceSpec{Description: "VPC Endpoint Interface " + e.ID})
	if err != nil {
		return err
	}
	i.Requester = secgroup.EndpointRequester
	i.Attachment = s.newAttachment(in.ID, 0, true)
	tx.Interfaces.Put(i)
	in.Zone, in.VPC, in.Subnet = n.Zone, n.VPC, n.ID
	if err := s.attachManagement(tx, m, in, m.gateways, 1); err != nil {
		return err
	}
	tx.Instances.Put(in)
	return nil
}

// EndpointChange is what ModifyVpcEndpoint is asked for.
type EndpointChange struct {
	AddSubnets, RemoveSubnets, AddGroups, RemoveGroups []string
	PrivateDNS                                         *bool
}

// ModifyEndpoint changes an endpoint's subnets and groups; groups judge its
// interfaces at once.
//
// Errors: as of CreateEndpoint, and InvalidVpcEndpointId.NotFound, InvalidParameter.
func (s *Service) ModifyEndpoint(ctx context.Context, caller Caller, id string, c EndpointChange) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := endpointOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		if was.State == secgroup.EndpointDeleting {
			return secgroup.Errorf("InvalidParameter", "The endpoint %s is being deleted.", id)
		}
		e := *was
		groups := changed(was.Groups, c.AddGroups, c.RemoveGroups)
		if len(groups) == 0 {
			return secgroup.Errorf("InvalidParameter", "An interface endpoint must have at least one security group.")
		}
		set(&e.PrivateDNS, c.PrivateDNS)
		if err := s.reshape(tx, &e, changed(was.Subnets, c.AddSubnets, c.RemoveSubnets), groups); err != nil {
			return err
		}
		tx.VPCEndpoints.Put(&e)
		return nil
	})
}

// changed returns a set of ids without some and with others.
func changed(was, add, remove []string) []string {
	kept := slices.DeleteFunc(slices.Clone(was), func(id string) bool { return slices.Contains(remove, id) })
	return distinctIDs(append(kept, add...))
}

// DeleteEndpoints deletes endpoints with their interfaces, and returns the ids
// that name none.
func (s *Service) DeleteEndpoints(ctx context.Context, caller Caller, ids []string) (unknown []string, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		unknown = nil
		for _, id := range distinctIDs(ids) {
			was, err := endpointOf(tx.Snapshot, caller.Scope, id)
			if err != nil {
				unknown = append(unknown, id)
				continue
			}
			e := *was
			e.State = secgroup.EndpointDeleting
			tx.VPCEndpoints.Put(&e)
			s.settleEndpoint(tx, &e)
		}
		return nil
	})
	return unknown, err
}

// endpointSettled reports, without a write, that nothing is to be done.
func endpointSettled(e *secgroup.VPCEndpoint) bool { return e.State == secgroup.EndpointAvailable }

// settleEndpoint does the next step of whatever an endpoint needs.
func (s *Service) settleEndpoint(tx *model.Tx, was *secgroup.VPCEndpoint) {
	all := streamingOf(tx.Snapshot, was.Scope, secgroup.EndpointKind, was.ID)
	e := *was
	switch e.State {
	case secgroup.EndpointPending:
		if slices.ContainsFunc(all, func(in *secgroup.Instance) bool { return in.State == secgroup.Pending }) {
			return
		}
		e.State = secgroup.EndpointAvailable
		tx.VPCEndpoints.Put(&e)
	case secgroup.EndpointDeleting:
		for _, in := range all {
			s.dismiss(tx, in, false)
		}
		if len(all) == 0 {
			tx.VPCEndpoints.Delete(e.ID)
		}
	}
}
