// SPDX-License-Identifier: Apache-2.0

package services

import (
	"context"
	"errors"
	"net/netip"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/instance"
)

// Where instances find names, metadata and time (docs/spec/packet-semantics.md
// section 4.1).
var (
	Resolver = netip.AddrFrom4([4]byte{169, 254, 169, 253})
	metaAddr = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	timeAddr = netip.AddrFrom4([4]byte{169, 254, 169, 123})
)

// Served are the services that Serve answers, as the datapath has to be configured.
const Served = datapath.ServiceDNS | datapath.ServiceMetadata | datapath.ServiceTime

// Serve answers the instances of this machine at those addresses, until ctx ends.
// Names that are not the installation's are asked of forward; the zero AddrPort has
// them refused.
func Serve(ctx context.Context, d *datapath.Datapath, h Host, forward netip.AddrPort) (err error) {
	names := []netip.Addr{Resolver, datapath.ResolverThere}
	var all []netip.Prefix
	for _, a := range append(names, metaAddr, timeAddr) {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	room, err := instance.NewServicesRoom(all, datapath.Places)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	way, err := d.ServeBy(room.Ifindex)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.Close()) }()
	return run(ctx, config{
		Asker:  func(from netip.Addr) *Facts { return factsOf(h, d.InterfaceAt(from)) },
		Within: room.Within, Names: names, Metadata: metaAddr, Time: timeAddr, Forward: forward,
	})
}
