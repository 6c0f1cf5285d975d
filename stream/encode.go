// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// partSize is when a delta is cut: its objects go in messages of about so many
// bytes, so that neither side holds it twice.
const partSize = 64 << 10

// encode returns the messages that tell a delta, which has at least one. whole
// goes with the first.
func encode(d *feed.Delta, n *namer, whole []*pb.Whole) iter.Seq[*pb.Delta] {
	return func(yield func(*pb.Delta) bool) {
		n.trim()
		part, size := &pb.Delta{Whole: whole}, 0
		send := func() bool {
			part.Forget, part.Names = n.take()
			ok := yield(part)
			part, size = &pb.Delta{}, 0
			return ok
		}
		for o := range objects(d) {
			if size += proto.Size(o.put(part, n)); size < partSize {
				continue
			}
			part.More = true
			if !send() {
				return
			}
			n.trim()
		}
		part.Revision, part.Origin = d.Revision, putOrigin(&d.Origin)
		send()
	}
}

// object is one object of a delta, or the word that it is gone.
type object struct {
	kind pb.Kind
	key  string // of its kind
	put  func(*pb.Delta, *namer) proto.Message
}

// objects yields the objects of a delta, ordered by kind and key.
func objects(d *feed.Delta) iter.Seq[object] {
	return func(yield func(object) bool) {
		_ = each(d.Instances, pb.Kind_INSTANCE, idKey, putInstance, yield) &&
			each(d.Interfaces, pb.Kind_INTERFACE, idKey, putInterface, yield) &&
			each(d.Groups, pb.Kind_GROUP, idKey, putGroup, yield) &&
			each(d.Addresses, pb.Kind_ADDRESS, addressKey, putAddress, yield) &&
			each(d.Routes, pb.Kind_ROUTES, idKey, putRoutes, yield)
	}
}

func each[K comparable, V any](
	all map[K]*V, kind pb.Kind, text func(K) string, put func(*pb.Delta, *namer, K, *V) proto.Message, yield func(object) bool,
) bool {
	type named struct {
		text string
		key  K
	}
	keys := make([]named, 0, len(all))
	for key := range maps.Keys(all) {
		keys = append(keys, named{text(key), key})
	}
	slices.SortFunc(keys, func(a, b named) int { return cmp.Compare(a.text, b.text) })
	for _, k := range keys {
		o := object{kind, k.text, func(d *pb.Delta, n *namer) proto.Message { return put(d, n, k.key, all[k.key]) }}
		if !yield(o) {
			return false
		}
	}
	return true
}

func idKey(id string) string { return id }

// addressKey orders the addresses of a network together, so that consecutive ones
// are told in few bytes.
func addressKey(k feed.AddressKey) string {
	return k.VPC + "\x00" + string(k.Addr.AsSlice()) + string([]byte{byte(k.Bits)})
}

func putInstance(d *pb.Delta, _ *namer, id string, i *feed.Instance) proto.Message {
	out := &pb.Instance{Id: id, Gone: i == nil}
	if i != nil {
		out.State, out.Interfaces, out.UserData = string(i.State), i.Interfaces, i.UserData
		out.FirstBoot, out.Reboots, out.Streams, out.Gateway = i.FirstBoot, uint32(i.Reboots), i.Streams.AsSlice(), i.Gateway
		out.Endpoint, out.Service, out.Answers, out.Joins = i.Endpoint, string(i.Service), i.Answers.AsSlice(), i.Joins
		out.Translates, out.Facts = i.Translates, factsOf(&i.Facts)
	}
	d.Instances = append(d.Instances, out)
	return out
}

func putInterface(d *pb.Delta, _ *namer, id string, i *feed.Interface) proto.Message {
	out := &pb.Interface{Id: id, Gone: i == nil}
	d.Interfaces = append(d.Interfaces, out)
	if i == nil {
		return out
	}
	out.Vpc, out.Network, out.Instance, out.DeviceIndex, out.Mac = i.VPC, i.Network, i.Instance, uint32(i.DeviceIndex), i.MAC
	out.Addresses, out.Prefixes, out.VpcPrefixes = prefixes(i.Addresses), prefixes(i.Prefixes), prefixes(i.VPCPrefixes)
	out.Subnets = prefixes(i.Subnets)
	for _, a := range i.Gateways {
		out.Gateways = append(out.Gateways, a.AsSlice())
	}
	out.Internet, out.SourceDestCheck, out.Groups = i.Internet, i.SourceDestCheck, i.Groups
	for _, p := range i.Public {
		out.Public = append(out.Public, &pb.Public{Public: p.Public.AsSlice(), Private: p.Private.AsSlice()})
	}
	out.Vni, out.TrackedFlows = i.VNI, uint32(i.TrackedFlows)
	out.Device, out.Own, out.For, out.Releasing = i.Device, i.Own, i.For, i.Releasing
	out.Owner, out.Subnet = i.Owner, i.Subnet
	if t := i.Tracking; t.TCPEstablished|t.UDP|t.UDPStream != 0 {
		out.Tracking = &pb.Tracking{TcpEstablished: uint32(t.TCPEstablished), Udp: uint32(t.UDP), UdpStream: uint32(t.UDPStream)}
	}
	return out
}

func putGroup(d *pb.Delta, n *namer, id string, g *feed.Group) proto.Message {
	out := &pb.Group{Id: id, Gone: g == nil}
	d.Groups = append(d.Groups, out)
	if g == nil {
		return out
	}
	lists := map[*netip.Prefix]uint32{} // rules that name one list share it
	rules := func(rules []policy.Rule) []*pb.Rule {
		var all []*pb.Rule
		for i := range rules {
			r := &rules[i]
			to := &pb.Rule{Id: r.ID, Protocol: int32(r.Protocol), From: int32(r.From), To: int32(r.To), Prefix: prefix(r.Peer.Prefix), Group: n.number(r.Peer.Group)}
			if list := r.Peer.Prefixes; len(list) > 0 {
				if to.List = lists[&list[0]]; to.List == 0 {
					out.Lists = append(out.Lists, &pb.PrefixList{Prefixes: prefixes(list)})
					to.List = uint32(len(out.Lists))
					lists[&list[0]] = to.List
				}
			}
			all = append(all, to)
		}
		return all
	}
	out.Ingress, out.Egress = rules(g.Rules[flow.Ingress]), rules(g.Rules[flow.Egress])
	return out
}

func putAddress(d *pb.Delta, n *namer, key feed.AddressKey, a *feed.Address) proto.Message {
	out := &pb.Address{Network: n.number(key.VPC), Address: key.Addr.AsSlice(), Bits: uint32(key.Bits), Gone: a == nil}
	if a != nil {
		out.Interface, out.Local, out.Groups = a.Interface, a.Local, n.all(a.Groups)
		out.Vni, out.Unrouted = a.VNI, a.Unrouted
		if a.Underlay.IsValid() {
			out.Underlay = n.number(a.Underlay.String())
		}
	}
	d.Addresses = append(d.Addresses, out)
	return out
}

func putRoutes(d *pb.Delta, _ *namer, network string, r *feed.Routes) proto.Message {
	out := &pb.Routes{Network: network, Gone: r == nil}
	d.Routes = append(d.Routes, out)
	if r == nil {
		return out
	}
	for _, way := range r.Routes {
		out.Routes = append(out.Routes, &pb.Route{Prefix: prefix(way.Prefix), Internet: way.Internet, Via: way.Via.AsSlice()})
	}
	return out
}

// putOrigin returns nil for an origin that says nothing.
func putOrigin(o *feed.Origin) *pb.Origin {
	if len(o.Requests) == 0 && o.More == 0 && o.Waited == 0 {
		return nil
	}
	out := &pb.Origin{More: uint32(o.More), Waited: uint64(o.Waited)}
	for i := range o.Requests {
		out.Requests = append(out.Requests, o.Requests[i][:])
	}
	return out
}

// prefix returns a prefix as bytes, nil for none.
func prefix(p netip.Prefix) []byte {
	if !p.IsValid() {
		return nil
	}
	return append(p.Addr().AsSlice(), byte(p.Bits()))
}

func prefixes(all []netip.Prefix) [][]byte {
	var out [][]byte
	for _, p := range all {
		out = append(out, prefix(p))
	}
	return out
}
