// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

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
		v := newVPC(born, defaultBlock, born.Created)
		v.Default, v.DNSHostnames = true, true
		putVPC(tx, v)
		for i, zone := range region.Zones {
			block, ok := nthSubnet(defaultBlock, defaultSubnetBits, i)
			if !ok {
				break // more zones than the block has room for
			}
			tx.Subnets.Put(&secgroup.Subnet{
				Scope: scope, ID: newID("subnet"), VPC: v.ID, CIDR: block, Zone: zone.Name, ZoneID: zone.ID,
				DefaultForZone: true, MapPublicIP: true, Created: born.Created,
			})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("prepare Region %s for account %s: %w", scope.Region, scope.Account, err)
	}
	return nil
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
