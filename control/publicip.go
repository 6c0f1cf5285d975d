// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// DefaultPublicPool is the block that public addresses come from unless the
// installation has one of its own: half of the range for benchmarks (RFC 2544),
// which is nobody's on the internet. The other half is the management network of
// streaming instances (docs/spec/appstream.md).
var DefaultPublicPool = netip.MustParsePrefix("198.18.0.0/16")

// publicGuard is the invariant that public addresses are unique, in whatever
// account and Region.
const publicGuard = "public-addresses"

var errNoPublicAddress = secgroup.Errorf("InsufficientAddressCapacity", "Not enough addresses available to satisfy the request.")

// PublicPool returns the block that public addresses come from.
func (s *Service) PublicPool() netip.Prefix { return s.publicPool }

// publicTaken reports whether a public address is anybody's.
func publicTaken(tx *model.Tx, a netip.Addr) bool {
	return tx.ElasticIPs.Has(model.ByPublic, a.String()) || tx.Interfaces.Has(model.ByPublic, a.String())
}

// freePublic returns a public address that nobody has.
func (s *Service) freePublic(tx *model.Tx) (netip.Addr, error) {
	tx.Guard(publicGuard)
	a, ok := drawAddress(s.publicPool, func(a netip.Addr) bool { return !publicTaken(tx, a) })
	if !ok {
		return a, errNoPublicAddress
	}
	return a, nil
}

// assignPublic gives the interface the public address that it is to have while
// its instance runs, unless it has one; an address associated with its primary
// address takes that place.
func (s *Service) assignPublic(tx *model.Tx, i *secgroup.Interface) (err error) {
	if !i.AutoPublic || i.Public.IsValid() || len(i.Addresses) == 0 || tx.ElasticIP(i.ID, i.Addresses[0]) != nil {
		return nil
	}
	i.Public, err = s.freePublic(tx)
	return err
}

// reassignPublic is assignPublic for a stored interface whose instance runs or is
// about to. When no address is left it goes without.
func (s *Service) reassignPublic(tx *model.Tx, id string) {
	was := tx.Interfaces.Get(id)
	if was == nil || was.Attachment == nil || was.Claimed() != nil {
		return
	}
	if in := tx.Instances.Get(was.Attachment.Instance); in.State != secgroup.Pending && in.State != secgroup.Running {
		return
	}
	i := *was
	if s.assignPublic(tx, &i) == nil && i.Public != was.Public {
		tx.Interfaces.Put(&i)
	}
}

// releasePublic takes from the interfaces of an instance that stops the addresses
// that the network gave them. Associated ones stay.
func releasePublic(tx *model.Tx, instance string) {
	for _, i := range Attached(tx.Snapshot, instance) {
		if i.Public.IsValid() {
			c := *i
			c.Public = netip.Addr{}
			tx.Interfaces.Put(&c)
		}
	}
}
