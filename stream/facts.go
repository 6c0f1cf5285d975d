// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// factsOf returns facts as bytes have them, nil for none.
func factsOf(f *feed.Facts) *pb.Facts {
	if f.Account == "" {
		return nil
	}
	out := &pb.Facts{
		Account: f.Account, Region: f.Region, Zone: f.Zone, ZoneId: f.ZoneID, Image: f.Image, Type: f.Type, Launch: f.Launch,
		Index: uint32(f.Index), Started: f.Started, Metadata: uint32(f.Metadata), Resolver: f.Resolver,
	}
	for _, t := range f.Tags {
		out.Tags = append(out.Tags, &pb.Named{Key: []byte(t.Key), Value: []byte(t.Value)})
	}
	for _, g := range f.Groups {
		out.Groups = append(out.Groups, &pb.Named{Key: []byte(g.ID), Value: []byte(g.Name)})
	}
	for _, d := range f.Doors {
		to := &pb.Door{Name: d.Name}
		for _, a := range d.Addresses {
			to.Addresses = append(to.Addresses, a.AsSlice())
		}
		out.Doors = append(out.Doors, to)
	}
	return out
}

// facts makes facts of bytes.
func (r *reader) facts(m *pb.Facts) (f feed.Facts) {
	if m == nil {
		return f
	}
	f = feed.Facts{
		Account: r.name(m.GetAccount()), Region: r.name(m.GetRegion()), Zone: r.maybe(m.GetZone()), ZoneID: r.maybe(m.GetZoneId()),
		Image: r.maybe(m.GetImage()), Type: r.maybe(m.GetType()), Launch: r.maybe(m.GetLaunch()), Index: r.upTo(m.GetIndex(), maxInt),
		Started: m.GetStarted(), Metadata: feed.Metadata(r.upTo(m.GetMetadata(), maxInt)), Resolver: m.GetResolver(),
	}
	for _, t := range m.GetTags() {
		f.Tags = append(f.Tags, secgroup.Tag{Key: string(t.GetKey()), Value: string(t.GetValue())})
	}
	for _, g := range m.GetGroups() {
		f.Groups = append(f.Groups, feed.GroupName{ID: r.name(string(g.GetKey())), Name: string(g.GetValue())})
	}
	for _, d := range m.GetDoors() {
		door := feed.Door{Name: r.name(d.GetName())}
		for _, b := range d.GetAddresses() {
			door.Addresses = append(door.Addresses, r.addr(b))
		}
		f.Doors = append(f.Doors, door)
	}
	return f
}
