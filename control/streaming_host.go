// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// HostStreams is what streaming programs of one host may ask: for gateways and
// instances that are on it, and no others. Everything else is ErrNotOnHost.
type HostStreams struct {
	*Service
	Host string
}

// OpenStream is Service.OpenStream for a gateway of the host.
func (h HostStreams) OpenStream(ctx context.Context, parameters string, by secgroup.Door) (*secgroup.Stream, error) {
	if behind(h.Read(), h.Host, by) == nil {
		return nil, ErrNotOnHost
	}
	return h.Service.OpenStream(ctx, parameters, by)
}

// ReportStreams is Service.ReportStreams for a gateway of the host. reached is where
// users reach the gateway of the internet, "" for nowhere.
func (h HostStreams) ReportStreams(ctx context.Context, reached string, watched []secgroup.Watched, by secgroup.Door) (leave []string, err error) {
	gateway := behind(h.Read(), h.Host, by)
	if gateway == nil {
		return nil, ErrNotOnHost
	}
	if by == (secgroup.Door{}) && gateway.Streaming.Reached != reached {
		err := h.write(ctx, gateway.Scope, func(tx *model.Tx) error {
			was := tx.Instances.Get(gateway.ID)
			if was == nil || was.Host != h.Host {
				return ErrNotOnHost
			}
			in, what := *was, *was.Streaming
			what.Reached = reached
			in.Streaming = &what
			tx.Instances.Put(&in)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return h.Service.ReportStreams(ctx, watched, by)
}

// ReportJoin is Service.ReportJoin for an instance of the host.
func (h HostStreams) ReportJoin(ctx context.Context, instance, trouble string) error {
	if in := h.Read().Instances.Get(instance); in != nil && in.Host != h.Host {
		return ErrNotOnHost
	}
	return h.Service.ReportJoin(ctx, instance, trouble)
}

// behind returns the instance of a host that is the gateway behind a door, nil for
// none.
func behind(snap *model.Snapshot, host string, by secgroup.Door) *secgroup.Instance {
	if by == (secgroup.Door{}) {
		if in := gatewayInstance(snap); in != nil && in.Host == host {
			return in
		}
		return nil
	}
	e := snap.VPCEndpoints.Get(by.Endpoint)
	if e == nil {
		return nil
	}
	for _, i := range snap.EndpointInterfaces(e) {
		in := snap.Instances.Get(i.Attachment.Instance)
		if len(i.Addresses) > 0 && i.Addresses[0] == by.Address && in != nil && in.Host == host {
			return in
		}
	}
	return nil
}

// gatewayInstance returns the gateway of the internet, nil while there is none.
func gatewayInstance(snap *model.Snapshot) *secgroup.Instance {
	for _, in := range streamingOf(snap, serviceScope, secgroup.GatewayKind, gatewayGroup) {
		return in
	}
	return nil
}

// reaches returns which hosts can have an instance of the management network, nil for
// all of them: streams cross hosts by the network between them, so that of the
// gateway, and those with an underlay if that has one of the same family.
func (s *Service) reaches(snap *model.Snapshot) func(*secgroup.Host) bool {
	gateway := gatewayInstance(snap)
	if gateway == nil {
		return nil
	}
	at := snap.Hosts.Get(gateway.Host)
	return func(h *secgroup.Host) bool {
		return h.Name == gateway.Host || at != nil && at.Underlay.IsValid() && h.Underlay.IsValid() && h.Underlay.Is4() == at.Underlay.Is4()
	}
}
