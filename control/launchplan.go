// SPDX-License-Identifier: Apache-2.0

package control

import (
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// plan is a launch with every name in it resolved.
type plan struct {
	scope      secgroup.Scope
	limits     secgroup.InstanceLimits
	instance   secgroup.Instance // what all instances have in common
	interfaces []plannedInterface
}

type plannedInterface struct {
	*LaunchInterface
	subnet   *secgroup.Subnet
	existing *secgroup.Interface // nil for a new one
	groups   []string            // of a new one
	public   bool                // a new one, whose primary address gets a public one
}

// plan checks that everything the launch names exists and fits together.
func (s *Service) plan(tx *model.Tx, scope secgroup.Scope, l *Launch) (*plan, error) {
	if !s.HasImage(l.Image) {
		return nil, secgroup.Errorf("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", l.Image)
	}
	if l.Type == "" {
		l.Type = secgroup.DefaultInstanceType
	}
	limits, ok := secgroup.InstanceTypeLimits(l.Type)
	if !ok {
		return nil, secgroup.Errorf("InvalidParameterValue", "Invalid value '%s' for InstanceType.", l.Type)
	}
	if l.KeyName != "" {
		return nil, secgroup.Errorf("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", l.KeyName)
	}
	if l.Zone != "" && !s.hasZone(scope.Region, l.Zone) {
		return nil, secgroup.Errorf("InvalidParameterValue", "Invalid availability zone: [%s]", l.Zone)
	}
	p := &plan{scope: scope, limits: limits}
	for n := range l.Interfaces {
		planned, err := s.planInterface(tx, scope, l, &l.Interfaces[n])
		if err != nil {
			return nil, err
		}
		p.interfaces = append(p.interfaces, planned)
	}
	if err := p.agree(l); err != nil {
		return nil, err
	}
	if err := checkLimits(limits, l.Type, len(p.interfaces), 0, 0); err != nil {
		return nil, err
	}
	for _, tags := range []secgroup.Tags{l.Tags, l.InterfaceTags} {
		if err := s.checkTagCount(tags); err != nil {
			return nil, err
		}
	}
	primary := p.interfaces[slices.IndexFunc(p.interfaces, func(i plannedInterface) bool { return i.DeviceIndex == 0 })]
	now := s.now().UTC() // one for all: it places the reservation in listings
	p.instance = secgroup.Instance{
		Scope: scope, Reservation: newID(secgroup.ReservationPrefix), Image: l.Image, Type: l.Type, UserData: l.UserData,
		State: secgroup.Pending, Zone: primary.subnet.Zone, VPC: primary.subnet.VPC, Subnet: primary.subnet.ID,
		Boots: 1, ClientToken: l.Token.Value, Options: l.Options, Tags: l.Tags,
		Launched: now, Created: now,
	}
	return p, nil
}

// agree checks what concerns the interfaces of one instance together.
func (p *plan) agree(l *Launch) error {
	first := p.interfaces[0].subnet
	seen := map[string]bool{}
	for _, i := range p.interfaces {
		switch {
		case l.Zone != "" && i.subnet.Zone != l.Zone:
			return secgroup.Errorf("InvalidParameterValue",
				"Value (%s) for parameter availabilityZone is invalid. The subnet '%s' is in the availability zone %s", l.Zone, i.subnet.ID, i.subnet.Zone)
		case i.subnet.Zone != first.Zone:
			return errZones
		case i.subnet.VPC != first.VPC:
			return errVPCs
		case i.Existing != "" && seen[i.Existing]:
			return inUse(i.Existing)
		case l.Max > 1 && (i.Existing != "" || i.fixed()):
			return secgroup.Errorf("InvalidParameterCombination",
				"A network interface ID or a particular address may not be specified when launching more than one instance")
		}
		seen[i.Existing] = true
	}
	return nil
}

// planInterface resolves one interface.
func (s *Service) planInterface(tx *model.Tx, scope secgroup.Scope, l *Launch, i *LaunchInterface) (plannedInterface, error) {
	p := plannedInterface{LaunchInterface: i}
	if i.Existing != "" {
		existing, err := ownInterface(tx, scope, i.Existing)
		if err != nil {
			return p, err
		}
		if existing.Attachment != nil {
			return p, inUse(i.Existing)
		}
		p.existing, p.subnet = existing, tx.Subnets.Get(existing.Subnet)
		return p, nil
	}
	i.Tags = l.InterfaceTags
	var err error
	refusals := ofLaunch
	if i.Subnet != "" {
		p.subnet, err = subnetOf(tx.Snapshot, scope, i.Subnet)
	} else {
		p.subnet, err = defaultSubnet(tx, scope, l.Zone)
		refusals = ofDefaultLaunch
	}
	if err != nil {
		return p, err
	}
	ids := slices.Clone(i.Groups)
	for _, name := range i.GroupNames {
		g, err := groupByName(tx.Snapshot, scope, name)
		if err != nil {
			return p, err
		}
		ids = append(ids, g.ID)
	}
	p.public = p.subnet.MapPublicIP && len(l.Interfaces) == 1
	if i.Public != nil {
		p.public = *i.Public
	}
	p.groups, err = refusals.groups(tx, s.quotas(tx.Snapshot, scope), p.subnet, ids)
	return p, err
}

// ofDefaultLaunch words refusals of a launch that named no subnet: what is no id
// is taken for a name in the default VPC.
var ofDefaultLaunch = membership{
	unknown: func(id string, subnet *secgroup.Subnet) error {
		if !secgroup.WellFormed(secgroup.GroupPrefix, id) {
			return secgroup.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", id, subnet.VPC)
		}
		return ofLaunch.unknown(id, subnet)
	},
	foreign: ofLaunch.foreign,
	many:    ofLaunch.many,
}

func (s *Service) hasZone(region, zone string) bool {
	r, _ := s.Region(region)
	return slices.ContainsFunc(r.Zones, func(z Zone) bool { return z.Name == zone })
}

func compareZones(a, b *secgroup.Subnet) int { return strings.Compare(a.Zone, b.Zone) }
