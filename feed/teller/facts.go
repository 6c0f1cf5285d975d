// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// facts returns what an instance can ask of itself, given its interfaces by device
// index: none unless it runs or begins to. It speaks of the interfaces that have the
// owner of the first one: a streaming instance knows nothing of the service's.
func (h *Host) facts(snap *model.Snapshot, row *secgroup.Instance, attached []*secgroup.Interface) (f feed.Facts) {
	if len(attached) == 0 || row.State != secgroup.Pending && row.State != secgroup.Running {
		return f
	}
	first := attached[0]
	subnet, vpc := snap.Subnets.Get(first.Subnet), snap.VPCs.Get(first.VPC)
	if subnet == nil || vpc == nil {
		return f
	}
	f = feed.Facts{
		Account: first.Account, Region: first.Region, Zone: subnet.Zone, ZoneID: subnet.ZoneID,
		Image: row.Image, Type: row.Type, Launch: row.Reservation, Index: row.LaunchIndex, Started: row.Launched.Unix(),
		Metadata: metadataOf(snap, row), Resolver: vpc.DNSSupport, Doors: h.doorsOf(snap, vpc.ID),
	}
	if row.Options.MetadataTags == "enabled" {
		f.Tags = row.Tags
	}
	for _, i := range attached {
		if i.Scope != first.Scope {
			continue
		}
		for _, id := range i.Groups {
			g := snap.Groups.Get(id)
			if h.called[id] = nameOf(g); g != nil {
				f.Groups = append(f.Groups, feed.GroupName{ID: id, Name: g.Name})
			}
		}
	}
	slices.SortFunc(f.Groups, func(a, b feed.GroupName) int { return cmp.Compare(a.ID, b.ID) })
	f.Groups = slices.Compact(f.Groups)
	return f
}

func nameOf(g *secgroup.Group) string {
	if g == nil {
		return ""
	}
	return g.Name
}

// metadataOf returns who is told an instance's metadata.
func metadataOf(snap *model.Snapshot, row *secgroup.Instance) feed.Metadata {
	if row.Options.MetadataEndpoint == "disabled" {
		return feed.MetadataNone
	}
	if row.Options.MetadataTokens == "required" {
		return feed.MetadataTokens
	}
	if what := row.Streaming; what != nil && what.Kind == secgroup.FleetKind {
		f := snap.Fleets.Get(model.StreamingName(what.Owner, what.Name))
		if f != nil && f.Options.NoIMDSv1 != nil && *f.Options.NoIMDSv1 {
			return feed.MetadataTokens
		}
	}
	return feed.MetadataOpen
}

// doorsOf returns the endpoints of a VPC by their names.
func (h *Host) doorsOf(snap *model.Snapshot, vpc string) (out []feed.Door) {
	for e := range snap.VPCEndpoints.By(model.ByVPC, vpc) {
		d := feed.Door{Name: e.DNSName()}
		for _, i := range snap.EndpointInterfaces(e) {
			h.doors.add(i.ID)
			h.doors.add(i.Attachment.Instance)
			d.Addresses = append(d.Addresses, i.Addresses...)
		}
		slices.SortFunc(d.Addresses, netip.Addr.Compare)
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b feed.Door) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// addUninformed adds the host's instances whose facts may be others because of the
// changed rows, beside those that changed themselves.
func (h *Host) addUninformed(snap *model.Snapshot, changed map[model.Ref]struct{}, instances keyset) {
	anybody := false
	for ref := range changed {
		switch ref.Kind {
		case model.VPCs, model.Subnets, model.VPCEndpoints:
			anybody = true
		case model.Instances:
			in := snap.Instances.Get(ref.ID)
			anybody = anybody || h.doors.has(ref.ID) || in != nil && in.Streaming != nil && in.Streaming.Kind == secgroup.EndpointKind
		case model.Interfaces:
			i := snap.Interfaces.Get(ref.ID)
			anybody = anybody || h.doors.has(ref.ID) || i != nil && i.Requester == secgroup.EndpointRequester
		case model.Groups: // what one is called; that its rules change is no matter here
			if was, told := h.called[ref.ID]; !told || was == nameOf(snap.Groups.Get(ref.ID)) {
				continue
			}
			for _, i := range h.interfaces {
				if slices.Contains(i.Groups, ref.ID) {
					instances.add(i.Instance)
				}
			}
		case model.Fleets:
			f := snap.Fleets.Get(ref.ID)
			if f == nil {
				continue
			}
			for in := range snap.Instances.By(model.ByStreaming, model.StreamingValue(f.Scope, secgroup.FleetKind, f.Name)) {
				if in.Host == h.name {
					instances.add(in.ID)
				}
			}
		}
	}
	if anybody { // seldom, and whose VPC it was is not always said
		for id := range h.instances {
			instances.add(id)
		}
	}
}
