// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The default VPC's block, and the length of the blocks that its subnets get
// (docs/spec/ec2-api.md section 4.2, CreateDefaultVpc).
var defaultBlock = netip.MustParsePrefix("172.31.0.0/16")

const defaultSubnetBits = 20

// EnsureRegion makes what an account is born with in a Region, at its first use:
// the DHCP options and the default VPC with a subnet in every zone. It costs one
// lookup afterwards. A default VPC that its owner deleted is not made again.
func (s *Service) EnsureRegion(ctx context.Context, scope secgroup.Scope) error {
	if s.AccountRegion(scope) != nil {
		return nil
	}
	region, ok := s.Region(scope.Region)
	if !ok {
		return secgroup.Errorf("AuthFailure", "AWS was not able to validate the provided access credentials")
	}
	err := s.write(ctx, scope, func(tx *model.Tx) error {
		if tx.AccountRegions.Get(model.ScopeID(scope)) != nil {
			return nil
		}
		born := &secgroup.AccountRegion{Scope: scope, DHCPOptions: newID("dopt"), Created: s.now().UTC()}
		tx.AccountRegions.Put(born)
		_, err := s.putDefaultVPC(tx, born, region.Zones, born.Created)
		return err
	})
	if err != nil {
		return fmt.Errorf("prepare Region %s for account %s: %w", scope.Region, scope.Account, err)
	}
	return nil
}

// everywhere is the block that a route for all other IPv4 addresses is for.
var everywhere = netip.MustParsePrefix("0.0.0.0/0")

// putDefaultVPC stores a default VPC with a subnet in each zone and an internet
// gateway, to which its main route table sends what leaves the VPC.
func (s *Service) putDefaultVPC(tx *model.Tx, born *secgroup.AccountRegion, zones []Zone, now time.Time) (*secgroup.VPC, error) {
	v := newVPC(born, defaultBlock, now)
	v.Default, v.DNSHostnames = true, true
	putVPC(tx, v)
	for i, zone := range zones {
		block, ok := nthSubnet(defaultBlock, defaultSubnetBits, i)
		if !ok {
			break // more zones than the block has room for
		}
		tx.Subnets.Put(newDefaultSubnet(v, zone, block, now))
	}
	g, err := s.newGateway(tx, v.Scope, v.ID)
	if err != nil {
		return nil, err
	}
	tx.InternetGateways.Put(g)
	main := *tx.MainRouteTable(v)
	main.Routes = []secgroup.Route{{Destination: everywhere, Gateway: g.ID}}
	tx.RouteTables.Put(&main)
	return v, nil
}

func newDefaultSubnet(v *secgroup.VPC, zone Zone, block netip.Prefix, now time.Time) *secgroup.Subnet {
	return &secgroup.Subnet{
		Scope: v.Scope, ID: newID(secgroup.SubnetPrefix), VPC: v.ID, CIDR: block, Zone: zone.Name, ZoneID: zone.ID,
		DefaultForZone: true, MapPublicIP: true, Created: now,
	}
}

// CreateDefaultVPC makes a default VPC where its owner deleted the first one
// (docs/spec/ec2-api.md section 4.2).
//
// Errors: DefaultVpcAlreadyExists, VpcLimitExceeded, InternetGatewayLimitExceeded.
func (s *Service) CreateDefaultVPC(ctx context.Context, caller Caller) (made *secgroup.VPC, err error) {
	region, _ := s.Region(caller.Region)
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		if DefaultVPC(tx.Snapshot, caller.Scope) != nil {
			return secgroup.Errorf("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
		}
		if full(&tx.VPCs, caller.Scope, s.quotas(tx.Snapshot, caller.Scope).VPCsPerRegion) {
			return errManyVPCs
		}
		made, err = s.putDefaultVPC(tx, tx.AccountRegions.Get(model.ScopeID(caller.Scope)), region.Zones, s.now().UTC())
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// CreateDefaultSubnet makes the default subnet of a zone in the default VPC: the
// first block of its size that is free.
//
// Errors: DefaultVpcDoesNotExist, InvalidParameterValue (zone),
// DefaultSubnetAlreadyExistsInAvailabilityZone, InsufficientCidrBlocks,
// SubnetLimitExceeded.
func (s *Service) CreateDefaultSubnet(ctx context.Context, caller Caller, zoneName, zoneID string) (made *secgroup.Subnet, err error) {
	err = s.write(ctx, caller.Scope, func(tx *model.Tx) error {
		v := DefaultVPC(tx.Snapshot, caller.Scope)
		if v == nil {
			return secgroup.Errorf("DefaultVpcDoesNotExist", "There is no default VPC in which to carry out the operation.")
		}
		zone, err := s.zone(caller.Region, zoneName, zoneID)
		if err != nil {
			return err
		}
		count := 0
		for n := range tx.Subnets.By(model.ByVPC, v.ID) {
			if count++; n.DefaultForZone && n.Zone == zone.Name {
				return secgroup.Errorf("DefaultSubnetAlreadyExistsInAvailabilityZone", "'%s' is already the default subnet in %s.", n.ID, zone.Name)
			}
		}
		if count >= s.quotas(tx.Snapshot, caller.Scope).SubnetsPerVPC {
			return errManySubnets
		}
		for i := 0; ; i++ {
			block, ok := nthSubnet(v.CIDRs[0].Prefix, defaultSubnetBits, i)
			if !ok {
				return secgroup.Errorf("InsufficientCidrBlocks", "The default VPC '%s' has no free block of size /%d.", v.ID, defaultSubnetBits)
			}
			made = newDefaultSubnet(v, zone, block, s.now().UTC())
			if fits(tx, v, made) == nil {
				tx.Subnets.Put(made)
				return nil
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// AccountRegion returns what EnsureRegion made for the scope, nil before.
func (s *Service) AccountRegion(scope secgroup.Scope) *secgroup.AccountRegion {
	return s.Read().AccountRegions.Get(model.ScopeID(scope))
}

// nthSubnet returns the nth IPv4 block of that length inside block; ok is false
// past the last.
func nthSubnet(block netip.Prefix, bits, n int) (subnet netip.Prefix, ok bool) {
	if n >= 1<<(bits-block.Bits()) {
		return netip.Prefix{}, false
	}
	base := block.Addr().As4()
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], binary.BigEndian.Uint32(base[:])+uint32(n)<<(32-bits))
	return netip.PrefixFrom(netip.AddrFrom4(addr), bits), true
}
