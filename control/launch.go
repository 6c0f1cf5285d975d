// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Launch is what RunInstances is asked for.
type Launch struct {
	Image         string
	Type          string // "" means secgroup.DefaultInstanceType
	KeyName       string
	UserData      []byte
	Min, Max      int    // instances; 0 < Min <= Max
	Zone          string // "" leaves it to the subnet
	Interfaces    []LaunchInterface
	Tags          secgroup.Tags // of each instance
	InterfaceTags secgroup.Tags // of each interface that the launch creates
	Options       secgroup.Options
	Token         ClientToken
}

// LaunchInterface is one interface of each instance of a launch. Device indexes
// are unique and one is 0.
type LaunchInterface struct {
	InterfaceSpec          // Subnet "" means the default VPC's; Tags are not used
	GroupNames    []string // further groups, by name; the default VPC's only
	Existing      string   // id of an interface to attach instead; InterfaceSpec is then not used
	DeviceIndex   int
	Keep          bool // stays when the instance ends
	// Public gives the primary address a public one while the instance runs; nil
	// leaves that to the subnet. Only the only interface of an instance can get one
	// by the subnet, and only a new one at all.
	Public *bool
}

// RunInstances makes instances that are wanted running; the host's agent makes
// them real (docs/spec/ec2-api.md section 6.1). It returns them in the order of
// their launch index: at least Min, at most Max, all in one reservation.
func (s *Service) RunInstances(ctx context.Context, caller Caller, l Launch) ([]*secgroup.Instance, error) {
	return s.run(ctx, caller, l.Token, func(*model.Snapshot) (Launch, error) { return l, nil })
}

// run makes the instances of the launch that what returns.
func (s *Service) run(ctx context.Context, caller Caller, token ClientToken, what func(*model.Snapshot) (Launch, error)) (made []*secgroup.Instance, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		ids, err := s.once(tx, caller.Scope, "RunInstances", token, func() ([]string, error) {
			l, err := what(tx.Snapshot)
			if err != nil {
				return nil, err
			}
			l.Token = token
			return s.runAll(tx, caller.Scope, &l)
		})
		if err != nil {
			return err
		}
		made, err = instancesOf(tx.Snapshot, caller.Scope, ids...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// runAll makes as many instances as there is room for, and returns their ids.
func (s *Service) runAll(tx *model.Tx, scope secgroup.Scope, l *Launch) ([]string, error) {
	p, err := s.plan(tx, scope, l)
	if err != nil {
		return nil, err
	}
	var ids []string
	for len(ids) < l.Max {
		err := tx.Nested(func(tx *model.Tx) error {
			in, err := s.launch(tx, p, len(ids))
			if err == nil {
				ids = append(ids, in.ID)
			}
			return err
		})
		if err != nil && !(short(err) && len(ids) >= l.Min) {
			return nil, err
		}
		if err != nil {
			break
		}
	}
	return ids, nil
}

var errManyInstances = secgroup.Errorf("InstanceLimitExceeded",
	"You have requested more instances than your current instance limit allows. Terminate instances or raise the limit.")

// short reports whether err means that there was no room for a further instance.
func short(err error) bool {
	return errors.Is(err, errNoFreeAddress) || errors.Is(err, errNoFreePrefix) || errors.Is(err, errNoPublicAddress) || errors.Is(err, errManyInterfaces) || errors.Is(err, errManyInstances) || errors.Is(err, errNoCapacity)
}

// launch puts one instance with its interfaces.
func (s *Service) launch(tx *model.Tx, p *plan, index int) (*secgroup.Instance, error) {
	if s.fullOfInstances(tx, p.scope) {
		return nil, errManyInstances
	}
	in := p.instance
	in.ID, in.LaunchIndex = newID(secgroup.InstancePrefix), index
	for _, planned := range p.interfaces {
		i := planned.existing
		if i == nil {
			var err error
			if i, err = s.newInterface(tx, planned.subnet, planned.groups, &planned.InterfaceSpec); err != nil {
				return nil, err
			}
		} else {
			c := *i
			i = &c
		}
		ipv4, ipv6 := slots(i)
		if err := checkLimits(p.limits, in.Type, len(p.interfaces), ipv4, ipv6); err != nil {
			return nil, err
		}
		i.Attachment = s.newAttachment(in.ID, planned.DeviceIndex, !planned.Keep)
		i.AutoPublic = planned.public
		if err := s.assignPublic(tx, i); err != nil {
			return nil, err
		}
		tx.Interfaces.Put(i)
	}
	var err error
	if in.Host, err = s.place(tx, nil); err != nil {
		return nil, err
	}
	tx.Instances.Put(&in)
	return &in, nil
}

// fullOfInstances reports whether the quota is used up. Records of terminated
// instances do not count.
func (s *Service) fullOfInstances(tx *model.Tx, scope secgroup.Scope) bool {
	limit := s.quotas(tx.Snapshot, scope).InstancesPerRegion
	if tx.Instances.Len() < limit {
		return false
	}
	n := 0
	for in := range tx.Instances.By(model.ByScope, model.ScopeValue(scope)) {
		if in.State != secgroup.Terminated {
			n++
		}
	}
	return n >= limit
}

// defaultSubnet returns the subnet of the default VPC that a launch without one
// goes to: that of the zone, or of the first zone that has one.
func defaultSubnet(tx *model.Tx, scope secgroup.Scope, zone string) (*secgroup.Subnet, error) {
	vpc := DefaultVPC(tx.Snapshot, scope)
	if vpc == nil {
		return nil, errVPCIDNotSpecified
	}
	subnets := slices.DeleteFunc(slices.Collect(tx.Subnets.By(model.ByVPC, vpc.ID)), func(n *secgroup.Subnet) bool {
		return !n.DefaultForZone || zone != "" && n.Zone != zone
	})
	if len(subnets) == 0 {
		return nil, secgroup.Errorf("MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", vpc.ID)
	}
	return slices.MinFunc(subnets, func(a, b *secgroup.Subnet) int { return compareZones(a, b) }), nil
}
