// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
	"github.com/hedgeward/hedgeward/secgroup"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// maxObjects is how many objects a delta may have. More is not what a host is
// told but somebody who wants its memory.
const maxObjects = 1 << 22

// decoder makes deltas of the messages of one stream.
type decoder struct {
	names named
	delta *feed.Delta // as far as it has come; nil between deltas
	whole []*pb.Whole
	count int
}

// add takes one message. It returns the delta that the message completes, with
// what it tells completely, or nil if more of it follows. After an error the
// decoder is of no more use.
func (c *decoder) add(m *pb.Delta) (*feed.Delta, []*pb.Whole, error) {
	if c.delta == nil {
		c.delta = &feed.Delta{
			Instances: map[string]*feed.Instance{}, Interfaces: map[string]*feed.Interface{}, Groups: map[string]*feed.Group{},
			Addresses: map[feed.AddressKey]*feed.Address{}, Routes: map[string]*feed.Routes{},
		}
		c.whole, c.count = m.Whole, 0
		for _, w := range m.Whole {
			if err := checkWhole(w); err != nil {
				return nil, nil, err
			}
		}
	} else if len(m.Whole) > 0 {
		return nil, nil, fmt.Errorf("a later part of a delta says what is whole")
	}
	if err := c.names.add(m.Forget, m.Names); err != nil {
		return nil, nil, err
	}
	c.count += len(m.Instances) + len(m.Interfaces) + len(m.Groups) + len(m.Addresses) + len(m.Routes)
	if c.count > maxObjects {
		return nil, nil, fmt.Errorf("a delta of more than %d objects", maxObjects)
	}
	if err := c.objects(m); err != nil {
		return nil, nil, err
	}
	if m.More {
		return nil, nil, nil
	}
	if m.Revision <= 0 {
		return nil, nil, fmt.Errorf("a delta of revision %d", m.Revision)
	}
	origin, err := getOrigin(m.Origin)
	if err != nil {
		return nil, nil, err
	}
	d := c.delta
	d.Revision, d.Origin, c.delta = m.Revision, origin, nil
	return d, c.whole, nil
}

// maxWaited is how many nanoseconds a delta may have waited: more has no end.
const maxWaited = 1 << 60

func getOrigin(m *pb.Origin) (feed.Origin, error) {
	var r reader
	o := feed.Origin{More: r.upTo(m.GetMore(), maxInt), Waited: time.Duration(m.GetWaited())}
	if len(m.GetRequests()) > feed.MaxRequests || m.GetWaited() > maxWaited {
		return o, fmt.Errorf("an origin of %d calls, %d ns ago", len(m.GetRequests()), m.GetWaited())
	}
	for _, id := range m.GetRequests() {
		if len(id) != len(feed.RequestID{}) {
			return o, fmt.Errorf("the id of a call has %d bytes", len(id))
		}
		o.Requests = append(o.Requests, feed.RequestID(id))
	}
	return o, r.err
}

func (c *decoder) objects(m *pb.Delta) error {
	for _, i := range m.Instances {
		if err := getInstance(c.delta, i); err != nil {
			return fmt.Errorf("instance %.40q: %w", i.GetId(), err)
		}
	}
	for _, i := range m.Interfaces {
		if err := getInterface(c.delta, i); err != nil {
			return fmt.Errorf("interface %.40q: %w", i.GetId(), err)
		}
	}
	for _, g := range m.Groups {
		if err := getGroup(c.delta, &c.names, g); err != nil {
			return fmt.Errorf("group %.40q: %w", g.GetId(), err)
		}
	}
	for _, a := range m.Addresses {
		if err := getAddress(c.delta, &c.names, a); err != nil {
			return fmt.Errorf("address %x: %w", a.GetAddress(), err)
		}
	}
	for _, r := range m.Routes {
		if err := getRoutes(c.delta, r); err != nil {
			return fmt.Errorf("routes of %.40q: %w", r.GetNetwork(), err)
		}
	}
	return nil
}

// reader makes values of fields and keeps the first error.
type reader struct{ err error }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) name(s string) string {
	if err := checkName(s); err != nil {
		r.fail(err)
	}
	return s
}

// maybe is name, but empty is allowed.
func (r *reader) maybe(s string) string {
	if s == "" {
		return s
	}
	return r.name(s)
}

func (r *reader) listed(all []string) []string {
	for _, s := range all {
		r.name(s)
	}
	return all
}

func (r *reader) addr(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		r.fail(fmt.Errorf("an address of %d bytes", len(b)))
	}
	return a
}

// some is addr, but for no bytes the zero Addr.
func (r *reader) some(b []byte) netip.Addr {
	if len(b) == 0 {
		return netip.Addr{}
	}
	return r.addr(b)
}

func (r *reader) prefix(b []byte) netip.Prefix {
	if len(b) == 0 {
		r.fail(fmt.Errorf("a prefix of no bytes"))
		return netip.Prefix{}
	}
	p := netip.PrefixFrom(r.addr(b[:len(b)-1]), int(b[len(b)-1]))
	if !p.IsValid() {
		r.fail(fmt.Errorf("a prefix of %d bits", b[len(b)-1]))
	}
	return p
}

func (r *reader) prefixes(all [][]byte) []netip.Prefix {
	var out []netip.Prefix
	for _, b := range all {
		out = append(out, r.prefix(b))
	}
	return out
}

func (r *reader) upTo(n uint32, most int) int {
	if int64(n) > int64(most) {
		r.fail(fmt.Errorf("number %d is more than %d", n, most))
		return 0
	}
	return int(n)
}

const maxInt = 1<<31 - 1

func getInstance(d *feed.Delta, m *pb.Instance) error {
	var r reader
	id := r.name(m.GetId())
	if m.GetGone() {
		d.Instances[id] = nil
		return r.err
	}
	d.Instances[id] = &feed.Instance{
		ID: id, State: secgroup.InstanceState(r.name(m.GetState())), Interfaces: r.listed(m.GetInterfaces()), UserData: m.GetUserData(),
		FirstBoot: m.GetFirstBoot(), Reboots: r.upTo(m.GetReboots(), maxInt), Streams: r.some(m.GetStreams()), Gateway: m.GetGateway(),
		Endpoint: r.maybe(m.GetEndpoint()), Service: secgroup.EndpointService(r.maybe(m.GetService())), Answers: r.some(m.GetAnswers()),
		Joins: r.maybe(m.GetJoins()), Translates: m.GetTranslates(), Facts: r.facts(m.GetFacts()),
	}
	return r.err
}

func getInterface(d *feed.Delta, m *pb.Interface) error {
	var r reader
	id := r.name(m.GetId())
	if m.GetGone() {
		d.Interfaces[id] = nil
		return r.err
	}
	i := &feed.Interface{
		ID: id, Owner: r.maybe(m.GetOwner()), Subnet: r.maybe(m.GetSubnet()), VPC: r.name(m.GetVpc()), Network: r.name(m.GetNetwork()), Instance: r.maybe(m.GetInstance()),
		Device: r.maybe(m.GetDevice()), Own: m.GetOwn(), For: r.maybe(m.GetFor()), Releasing: m.GetReleasing(),
		DeviceIndex: r.upTo(m.GetDeviceIndex(), maxInt), MAC: r.name(m.GetMac()),
		Addresses: r.prefixes(m.GetAddresses()), Prefixes: r.prefixes(m.GetPrefixes()), VPCPrefixes: r.prefixes(m.GetVpcPrefixes()), Subnets: r.prefixes(m.GetSubnets()),
		VNI: m.GetVni(), TrackedFlows: r.upTo(m.GetTrackedFlows(), maxInt),
		Internet: m.GetInternet(), SourceDestCheck: m.GetSourceDestCheck(), Groups: r.listed(m.GetGroups()),
		Tracking: secgroup.Tracking{
			TCPEstablished: r.upTo(m.GetTracking().GetTcpEstablished(), maxInt),
			UDP:            r.upTo(m.GetTracking().GetUdp(), maxInt),
			UDPStream:      r.upTo(m.GetTracking().GetUdpStream(), maxInt),
		},
	}
	for _, b := range m.GetGateways() {
		i.Gateways = append(i.Gateways, r.addr(b))
	}
	for _, p := range m.GetPublic() {
		i.Public = append(i.Public, feed.Public{Public: r.addr(p.GetPublic()), Private: r.addr(p.GetPrivate())})
	}
	d.Interfaces[id] = i
	return r.err
}

func getGroup(d *feed.Delta, n *named, m *pb.Group) error {
	var r reader
	id := r.name(m.GetId())
	if m.GetGone() {
		d.Groups[id] = nil
		return r.err
	}
	g := &feed.Group{ID: id}
	lists := make([][]netip.Prefix, len(m.GetLists()))
	for i, l := range m.GetLists() {
		lists[i] = r.prefixes(l.GetPrefixes())
	}
	for dir, rules := range [flow.NumDirections][]*pb.Rule{flow.Ingress: m.GetIngress(), flow.Egress: m.GetEgress()} {
		for _, in := range rules {
			group, err := n.name(in.GetGroup())
			if err != nil {
				return err
			}
			rule := policy.Rule{ID: r.name(in.GetId()), Protocol: int(in.GetProtocol()), From: int(in.GetFrom()), To: int(in.GetTo())}
			rule.Peer.Group = group
			if len(in.GetPrefix()) > 0 {
				rule.Peer.Prefix = r.prefix(in.GetPrefix())
			}
			if list := r.upTo(in.GetList(), len(lists)); list > 0 {
				rule.Peer.Prefixes = lists[list-1]
			}
			g.Rules[dir] = append(g.Rules[dir], rule)
		}
	}
	d.Groups[id] = g
	return r.err
}

func getAddress(d *feed.Delta, n *named, m *pb.Address) error {
	var r reader
	network, err := n.name(m.GetNetwork())
	if err != nil {
		return err
	}
	key := feed.AddressKey{VPC: r.name(network), Addr: r.addr(m.GetAddress())}
	key.Bits = r.upTo(m.GetBits(), key.Addr.BitLen())
	if m.GetGone() {
		d.Addresses[key] = nil
		return r.err
	}
	groups, err := n.all(m.GetGroups())
	if err != nil {
		return err
	}
	a := &feed.Address{Interface: r.name(m.GetInterface()), Local: m.GetLocal(), Groups: groups, VNI: m.GetVni(), Unrouted: m.GetUnrouted()}
	if m.GetUnderlay() != 0 {
		text, err := n.name(m.GetUnderlay())
		if err != nil {
			return err
		}
		if a.Underlay, err = netip.ParseAddr(text); err != nil {
			return err
		}
	}
	d.Addresses[key] = a
	return r.err
}

func getRoutes(d *feed.Delta, m *pb.Routes) error {
	var r reader
	network := r.name(m.GetNetwork())
	if m.GetGone() {
		d.Routes[network] = nil
		return r.err
	}
	out := &feed.Routes{}
	for _, way := range m.GetRoutes() {
		out.Routes = append(out.Routes, feed.Route{Prefix: r.prefix(way.GetPrefix()), Internet: way.GetInternet(), Via: r.some(way.GetVia())})
	}
	d.Routes[network] = out
	return r.err
}
