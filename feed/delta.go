// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/policy"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Delta is what changed for a host since the last one. In each map nil means
// gone. The receiver brings in groups and addresses before it changes what an
// interface is judged by; see teller.Host.Update for why that never opens or closes
// anything in between.
type Delta struct {
	Revision   int64 // of the snapshot; what is not in the delta is as it was
	Instances  map[string]*Instance
	Interfaces map[string]*Interface
	Groups     map[string]*Group
	Addresses  map[AddressKey]*Address
	Routes     map[string]*Routes // by network
	Origin     Origin
}

// Empty reports whether nothing changed but the revision.
func (d *Delta) Empty() bool {
	return len(d.Instances)+len(d.Interfaces)+len(d.Groups)+len(d.Addresses)+len(d.Routes) == 0
}

// Instance is one instance of the host and the state it is in on its way to the
// state that is wanted.
type Instance struct {
	ID         string
	State      secgroup.InstanceState
	Interfaces []string // ids, ordered by device index
	UserData   []byte
	FirstBoot  bool // it has never run before
	Reboots    int  // programs inside end whenever this grows
	// Streams is the address at which the instance serves its stream, the zero
	// Addr for none. Gateway connects users to such streams.
	Streams netip.Addr
	Gateway bool
	Joins   string // the domain that it joins when it starts, "" for none
	// Endpoint is the id of the VPC endpoint that the instance answers for, "" for
	// none, and Service what that leads to, on the address Answers.
	Endpoint string
	Service  secgroup.EndpointService
	Answers  netip.Addr
	// Translates is set for the instance of a NAT gateway.
	Translates bool
	Facts      Facts // none while it neither runs nor begins to
}

// Interface is one interface of an instance of the host, or of a device that the
// host has claimed it for, that is to be in force.
type Interface struct {
	ID              string
	Owner           string // account
	Subnet          string // id
	VPC             string
	VNI             uint32 // the VPC's number between hosts; 0: it has none
	Network         string // what its packets can reach: an AddressKey's VPC
	Instance        string // "" if Device is set
	Device          string // that somebody else made; "" for an instance's
	Own             bool   // the device is a NIC of the host itself, see secgroup.Claim
	For             string // what is behind the device, see secgroup.Claim
	Releasing       bool   // not in force any more: to be taken off its device, which the host reports
	DeviceIndex     int
	MAC             string
	Addresses       []netip.Prefix // primary IPv4 first, then IPv6; with the subnet's length
	Prefixes        []netip.Prefix // delegated: every address in them is the interface's
	Gateways        []netip.Addr   // the VPC router in the subnet, one per family
	Internet        bool           // the VPC has an internet gateway: IPv6 addresses are public
	Public          []Public       // what stands for IPv4 addresses on the internet; none without a gateway
	VPCPrefixes     []netip.Prefix // what the VPC router can route
	Subnets         []netip.Prefix // all blocks of all subnets of the VPC, sorted
	SourceDestCheck bool
	Tracking        secgroup.Tracking // zero fields: the defaults
	TrackedFlows    int               // that the instance may have at once, in all its interfaces
	Groups          []string          // sorted
}

// Group is the rules of a group that an interface of the host carries.
type Group struct {
	ID    string
	Rules policy.Source
}

// Public is a public IPv4 address and the private one that it stands for.
type Public struct{ Public, Private netip.Addr }

// Routes say which destinations of a network that no interface has are on the
// internet or behind a NAT gateway. A network without any is told none.
type Routes struct {
	Routes []Route // sorted, no two for one block: the longest that covers a destination decides
}

// Route is one way.
type Route struct {
	Prefix   netip.Prefix
	Internet bool // to the internet gateway
	// Via is the address of an interface of the VPC that translates what it gets: a
	// NAT gateway's. The zero Addr without Internet: nowhere.
	Via netip.Addr
}

// AddressKey names an address, or a delegated prefix, as some interfaces of the host see it: VPCs may
// overlap.
type AddressKey struct {
	VPC  string // id of the VPC; of the route table for interfaces in subnets that are tied to one
	Addr netip.Addr
	Bits int // of a delegated prefix that begins at Addr; 0: the address alone
}

// String returns the address or the prefix.
func (k AddressKey) String() string {
	if k.Bits == 0 {
		return k.Addr.String()
	}
	return netip.PrefixFrom(k.Addr, k.Bits).String()
}

// Address is an address that the host's interfaces or rules need to know.
type Address struct {
	Interface string   // that owns it
	Local     bool     // the interface is in force on this host
	Groups    []string // sorted; of the owner's groups, those that rules on this host name
	// Underlay is where the host is reached on which an instance has the interface,
	// if that is another one; what comes from the address comes from there. The zero
	// Addr: this host, none, or one that is not reached. VNI is the number of the
	// interface's VPC then.
	Underlay netip.Addr
	VNI      uint32
	// Unrouted is set if the network has no route to the address, which may send to
	// it all the same: what is peered routes each way by itself.
	Unrouted bool
}
