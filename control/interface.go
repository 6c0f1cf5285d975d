// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// InterfaceSpec is a network interface as it is asked for.
type InterfaceSpec struct {
	Addressing
	Subnet      string
	Groups      []string // ids; none means the VPC's default group
	Description string
	Tracking    *secgroup.Tracking
	Tags        secgroup.Tags
}

// CreateNetworkInterface makes an interface that is attached to nothing
// (docs/spec/ec2-api.md section 5.1).
func (s *Service) CreateNetworkInterface(ctx context.Context, caller Caller, spec InterfaceSpec, token ClientToken) (made *secgroup.Interface, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		ids, err := s.once(tx, caller.Scope, "CreateNetworkInterface", token, func() ([]string, error) {
			subnet, err := subnetOf(tx.Snapshot, caller.Scope, spec.Subnet)
			if err != nil {
				return nil, err
			}
			groups, err := ofNewInterface.groups(tx, s.quotas(tx.Snapshot, caller.Scope), subnet, spec.Groups)
			if err != nil {
				return nil, err
			}
			if err := s.checkTagCount(spec.Tags); err != nil {
				return nil, err
			}
			i, err := s.newInterface(tx, subnet, groups, &spec)
			if err != nil {
				return nil, err
			}
			tx.Interfaces.Put(i)
			return []string{i.ID}, nil
		})
		if err != nil {
			return err
		}
		made, err = ownInterface(tx, caller.Scope, ids[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// newInterface returns an interface with addresses of its own; the caller puts
// it.
func (s *Service) newInterface(tx *model.Tx, subnet *secgroup.Subnet, groups []string, spec *InterfaceSpec) (*secgroup.Interface, error) {
	if full(&tx.Interfaces, subnet.Scope, s.quotas(tx.Snapshot, subnet.Scope).InterfacesPerRegion) {
		return nil, errManyInterfaces
	}
	ipv4, ipv6, err := addresses(tx, subnet, &spec.Addressing)
	if err != nil {
		return nil, err
	}
	i := &secgroup.Interface{
		Scope: subnet.Scope, ID: newID(secgroup.InterfacePrefix), VPC: subnet.VPC, Subnet: subnet.ID, MAC: freeMAC(tx, subnet.VPC),
		Description: spec.Description, Addresses: ipv4, IPv6: ipv6, Groups: groups, SourceDestCheck: true,
		Tracking: spec.Tracking, Tags: spec.Tags, Created: s.now().UTC(),
	}
	return i, delegations(tx, subnet, &spec.Addressing, i)
}

var errManyInterfaces = secgroup.Errorf("NetworkInterfaceLimitExceeded",
	"The maximum number of network interfaces has been reached.")

// full reports whether the table holds limit rows of the scope. It counts only
// when the whole table could.
func full[T any](t *model.Table[T], scope secgroup.Scope, limit int) bool {
	if t.Len() < limit {
		return false
	}
	n := 0
	for range t.By(model.ByScope, model.ScopeValue(scope)) {
		if n++; n >= limit {
			return true
		}
	}
	return false
}

// DeleteNetworkInterface removes an interface that is attached to nothing
// (docs/spec/ec2-api.md section 5.4).
func (s *Service) DeleteNetworkInterface(ctx context.Context, caller Caller, id string) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		found, err := interfacesOf(tx.Snapshot, caller.Scope, id)
		if err != nil {
			return err
		}
		if found[0].Attachment != nil {
			return secgroup.Errorf("InvalidParameterValue", "Network interface '%s' is currently in use.", id)
		}
		if _, err := ownInterface(tx, caller.Scope, id); err != nil {
			return err
		}
		deleteInterface(tx, id)
		return nil
	})
}

// deleteInterface removes an interface; addresses associated with it are free
// again.
func deleteInterface(tx *model.Tx, id string) {
	for _, e := range slices.Collect(tx.ElasticIPs.By(model.ByInterface, id)) {
		tx.ElasticIPs.Put(e.Free())
	}
	tx.Interfaces.Delete(id)
}

// ownInterface returns an interface that the caller may change: one of its own
// that no service manages.
func ownInterface(tx *model.Tx, scope secgroup.Scope, id string) (*secgroup.Interface, error) {
	found, err := interfacesOf(tx.Snapshot, scope, id)
	if err != nil {
		return nil, err
	}
	if found[0].Requester != "" {
		return nil, secgroup.Errorf("OperationNotPermitted", "You do not have permission to access the specified resource.")
	}
	return found[0], nil
}

// InterfaceChange is one change of one attribute: exactly one field is set
// (docs/spec/ec2-api.md section 5.3).
type InterfaceChange struct {
	Groups          []string // the whole new set
	SourceDestCheck *bool
	Description     *string
	Attachment      *AttachmentChange
	Tracking        *secgroup.Tracking // zero fields keep what is set
}

// AttachmentChange says what happens to an attached interface when its instance
// ends.
type AttachmentChange struct {
	ID                  string // eni-attach-…
	DeleteOnTermination bool
}

// ModifyNetworkInterfaceAttribute changes an interface, attached or not,
// whatever its instance does.
func (s *Service) ModifyNetworkInterfaceAttribute(ctx context.Context, caller Caller, id string, change InterfaceChange) error {
	return s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		was, err := ownInterface(tx, caller.Scope, id)
		if err != nil {
			return err
		}
		i := *was
		switch {
		case len(change.Groups) > 0:
			i.Groups, err = ofChangedInterface.groups(tx, s.quotas(tx.Snapshot, caller.Scope), tx.Subnets.Get(i.Subnet), change.Groups)
		case change.SourceDestCheck != nil:
			i.SourceDestCheck = *change.SourceDestCheck
		case change.Description != nil:
			i.Description = *change.Description
		case change.Tracking != nil:
			i.Tracking = mergeTracking(i.Tracking, change.Tracking)
		case change.Attachment != nil:
			if i.Attachment == nil || i.Attachment.ID != change.Attachment.ID {
				return noAttachment.err(change.Attachment.ID)
			}
			if i.Claimed() != nil {
				return errForeignAttachment
			}
			a := *i.Attachment
			a.DeleteOnTermination = change.Attachment.DeleteOnTermination
			i.Attachment = &a
		}
		if err != nil {
			return err
		}
		tx.Interfaces.Put(&i)
		return nil
	})
}

// mergeTracking returns was with the timeouts that set gives.
func mergeTracking(was, set *secgroup.Tracking) *secgroup.Tracking {
	out := secgroup.Tracking{}
	if was != nil {
		out = *was
	}
	if set.TCPEstablished != 0 {
		out.TCPEstablished = set.TCPEstablished
	}
	if set.UDP != 0 {
		out.UDP = set.UDP
	}
	if set.UDPStream != 0 {
		out.UDPStream = set.UDPStream
	}
	return &out
}
