// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"slices"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// StreamingVPC is a VpcConfig as a request has it: a nil list is absent, an empty
// list of groups chooses none (docs/spec/appstream.md section 3.4).
type StreamingVPC struct{ Subnets, Groups []string }

// over returns the configuration with the change in it.
func (c *StreamingVPC) over(was *secgroup.VPCConfig) *secgroup.VPCConfig {
	next := secgroup.VPCConfig{}
	if was != nil {
		next = *was
	}
	if c.Subnets != nil {
		next.Subnets = distinctIDs(c.Subnets)
	}
	if c.Groups != nil {
		next.Groups = distinctIDs(c.Groups)
	}
	return &next
}

// distinctIDs returns ids, each once.
func distinctIDs(ids []string) []string {
	var out []string
	for _, id := range ids {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

var errNoSubnets = secgroup.Errorf(streamCombination, "You must specify at least one subnet in VpcConfig.")

// checkVPC refuses a configuration whose parts do not exist or do not fit
// together: what exists first, then what fits (section 2.5). nil is nothing to
// refuse.
func checkVPC(snap *model.Snapshot, scope secgroup.Scope, c *secgroup.VPCConfig) error {
	if c == nil {
		return nil
	}
	var subnets []*secgroup.Subnet
	for _, id := range c.Subnets {
		n := snap.Subnets.Get(id)
		if n == nil || n.Scope != scope {
			return secgroup.Errorf(streamNotFound, "The subnet %s does not exist.", id)
		}
		subnets = append(subnets, n)
	}
	for _, id := range c.Groups {
		if g := snap.Groups.Get(id); g == nil || g.Scope != scope {
			return secgroup.Errorf(streamNotFound, "The security group %s does not exist.", id)
		}
	}
	for _, n := range subnets {
		if n.VPC != subnets[0].VPC {
			return secgroup.Errorf(streamCombination, "Subnets %s and %s belong to different networks.", subnets[0].ID, n.ID)
		}
	}
	for _, id := range c.Groups {
		if !carriedIn(snap, snap.Groups.Get(id), subnets[0].VPC) {
			return secgroup.Errorf(streamCombination, "Security group %s and subnet %s belong to different networks.", id, subnets[0].ID)
		}
	}
	return nil
}

// distinctZones reports whether the subnets are two or more in different zones.
func distinctZones(snap *model.Snapshot, subnets []string) bool {
	zones := map[string]bool{}
	for _, id := range subnets {
		if n := snap.Subnets.Get(id); n != nil {
			if zones[n.Zone] {
				return false
			}
			zones[n.Zone] = true
		}
	}
	return len(zones) >= 2
}

// placement is where the next instance of a fleet or builder can be: what
// provision needs of a configuration, looked up when an instance is made.
type placement struct {
	subnets  []*secgroup.Subnet
	groups   []string
	internet bool // with a public address
}

// placementOf looks the configuration up; internet is default internet access.
// The error is a *shortfall.
func placementOf(snap *model.Snapshot, scope secgroup.Scope, c *secgroup.VPCConfig, internet bool) (*placement, error) {
	p := &placement{internet: internet}
	for _, id := range c.Subnets {
		n := snap.Subnets.Get(id)
		if n == nil || n.Scope != scope {
			return nil, &shortfall{subnetNotFound, "The subnet " + id + " does not exist."}
		}
		p.subnets = append(p.subnets, n)
	}
	vpc := p.subnets[0].VPC
	for _, id := range c.Groups {
		g := snap.Groups.Get(id)
		if g == nil || g.Scope != scope || !carriedIn(snap, g, vpc) {
			return nil, &shortfall{groupsNotFound, "The security group " + id + " does not exist in VPC " + vpc + "."}
		}
	}
	if internet && snap.Gateway(vpc) == nil {
		return nil, &shortfall{noInternet, "The VPC " + vpc + " has no internet gateway."}
	}
	if p.groups = c.Groups; len(p.groups) == 0 {
		p.groups = []string{snap.VPCs.Get(vpc).DefaultGroup}
	}
	return p, nil
}

// provision puts one streaming instance with its interfaces, in the subnet that
// has the fewest of the same fleet and room. Nothing is put on an error, which is
// a *shortfall.
func (s *Service) provision(tx *model.Tx, what secgroup.Streaming, c *secgroup.VPCConfig, internet bool, instanceType, image string) (made *secgroup.Instance, err error) {
	err = tx.Nested(func(tx *model.Tx) error {
		m, err := s.managementOf(tx)
		if err != nil {
			return err
		}
		in, err := s.newStreaming(tx, what, instanceType, image, s.now().UTC())
		if err != nil {
			return err
		}
		device := 0
		if c != nil {
			p, err := placementOf(tx.Snapshot, what.Owner, c, internet)
			if err != nil {
				return err
			}
			if err := s.attachCustomer(tx, in, p); err != nil {
				return err
			}
			device = 1
		}
		if err := s.attachManagement(tx, m, in, m.streamed, device); err != nil {
			return &shortfall{instanceUnmade, "The management network has no room for another instance: " + err.Error()}
		}
		tx.Instances.Put(in)
		made = in
		return nil
	})
	return made, err
}

// attachCustomer gives an instance its interface in the customer's subnets.
func (s *Service) attachCustomer(tx *model.Tx, in *secgroup.Instance, p *placement) error {
	what := in.Streaming
	held := map[string]int{}
	for _, other := range streamingOf(tx.Snapshot, what.Owner, what.Kind, what.Name) {
		if i := CustomerInterface(tx.Snapshot, other.ID); i != nil {
			held[i.Subnet]++
		}
	}
	slices.SortStableFunc(p.subnets, func(a, b *secgroup.Subnet) int { return held[a.ID] - held[b.ID] })
	for _, n := range p.subnets {
		i, err := s.newInterface(tx, n, p.groups, &InterfaceSpec{Description: "AppStream " + string(what.Kind) + " " + what.Name})
		switch {
		case errors.Is(err, errNoFreeAddress):
			continue
		case errors.Is(err, errManyInterfaces):
			return &shortfall{interfacesUsedUp, "The maximum number of network interfaces of the account has been reached."}
		case err != nil:
			return &shortfall{subnetsUnfit, "The subnet " + n.ID + " cannot be used: " + err.Error()}
		}
		i.Requester = secgroup.StreamingService
		i.Attachment = s.newAttachment(in.ID, 0, true)
		i.AutoPublic = p.internet
		if err := s.assignPublic(tx, i); err != nil {
			return &shortfall{instanceUnmade, "No public address is left for another instance."}
		}
		tx.Interfaces.Put(i)
		in.Zone, in.VPC, in.Subnet = n.Zone, n.VPC, n.ID
		return nil
	}
	return &shortfall{subnetFull, "The configured subnets have no free IP address for another instance."}
}

// dismiss has a streaming instance end. Its customer interface goes at once or,
// if keep is true, with the instance (section 10).
func (s *Service) dismiss(tx *model.Tx, in *secgroup.Instance, keep bool) {
	if in.State == secgroup.ShuttingDown {
		return
	}
	tx.Guard(model.ScopeID(serviceScope))
	if !keep || in.State == secgroup.Stopped {
		release(tx, in.ID)
	}
	if in.State == secgroup.Stopped { // nothing of it is left on its host
		tx.Instances.Delete(in.ID)
		return
	}
	next := *in
	next.State = secgroup.ShuttingDown
	tx.Instances.Put(&next)
}

// publishCustomer gives the customer interface of an instance that starts again
// its public address, if it is to have one.
func (s *Service) publishCustomer(tx *model.Tx, instance string) {
	if i := CustomerInterface(tx.Snapshot, instance); i != nil {
		s.reassignPublic(tx, i.ID)
	}
}
