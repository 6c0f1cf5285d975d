// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/netip"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/services"
)

// Where instances find names, metadata and time (docs/spec/packet-semantics.md
// section 4.1).
var (
	resolverAddress = netip.AddrFrom4([4]byte{169, 254, 169, 253})
	metadataAddress = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	timeAddress     = netip.AddrFrom4([4]byte{169, 254, 169, 123})
)

// servedHere are the services that this process answers.
const servedHere = datapath.ServiceDNS | datapath.ServiceMetadata | datapath.ServiceTime

// serveInstances answers the instances of this machine at those addresses, until
// ctx ends.
func (h *localHost) serveInstances(ctx context.Context, in *installation) (err error) {
	names := []netip.Addr{resolverAddress, datapath.ResolverThere}
	var all []netip.Prefix
	for _, a := range append(names, metadataAddress, timeAddress) {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	room, err := instance.NewServicesRoom(all, datapath.Places)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	way, err := h.datapath.ServeBy(room.Ifindex)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.Close()) }()
	return services.Run(ctx, services.Config{
		Asker: func(from netip.Addr) *services.Facts {
			return services.FactsOf(in.model.Snapshot(), h.datapath.InterfaceAt(from))
		},
		Within: room.Within, Names: names, Metadata: metadataAddress, Time: timeAddress, Forward: h.resolver,
	})
}
