// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The management network is a VPC of the service's own account: its interfaces,
// addresses and fixed groups are rows like any others, enforced like any others,
// and no customer's call can see or change them (docs/spec/appstream.md sections
// 1.1 and 1.2).
var (
	serviceScope    = secgroup.Scope{Account: secgroup.ServiceAccount, Region: "management"}
	managementBlock = netip.MustParsePrefix("198.19.0.0/16")
)

// The groups of the management network. Instances are reached by the gateway
// alone, not by each other.
const (
	gatewayGroup   = "streaming-gateway"
	streamingGroup = "streaming-instances"
)

// managementRule is one line of the table in section 1.2.
type managementRule struct {
	protocol secgroup.Protocol
	port     int32
	toward   bool // from the gateway to instances; otherwise from them to it
}

var managementRules = []managementRule{
	{secgroup.TCP, 8300, true}, {secgroup.UDP, 8300, true}, // streaming
	{secgroup.TCP, 8000, true}, {secgroup.TCP, 8443, true}, // management by the service
	{secgroup.TCP, 443, false}, {secgroup.TCP, 53, false}, {secgroup.UDP, 53, false}, // control channel
	{secgroup.TCP, 1688, false}, // licence activation
}

// management is the network as a transaction sees it.
type management struct {
	subnet             *secgroup.Subnet
	gateways, streamed string // ids of the groups
}

// managementOf returns the network, and makes it with its gateway for the first
// instance that streams.
func (s *Service) managementOf(tx *model.Tx) (*management, error) {
	tx.Guard(model.ScopeID(serviceScope))
	m := &management{}
	for n := range tx.Subnets.By(model.ByScope, model.ScopeValue(serviceScope)) {
		m.subnet = n
	}
	if m.subnet == nil {
		return s.newManagement(tx)
	}
	for g := range tx.Groups.By(model.ByVPC, m.subnet.VPC) {
		switch g.Name {
		case gatewayGroup:
			m.gateways = g.ID
		case streamingGroup:
			m.streamed = g.ID
		}
	}
	return m, nil
}

func (s *Service) newManagement(tx *model.Tx) (*management, error) {
	now := s.now().UTC()
	vpc := newVPC(&secgroup.AccountRegion{Scope: serviceScope}, managementBlock, now)
	putVPC(tx, vpc)
	m := &management{subnet: &secgroup.Subnet{
		Scope: serviceScope, ID: newID(secgroup.SubnetPrefix), VPC: vpc.ID, CIDR: managementBlock, NoRouter: true, Created: now,
	}}
	tx.Subnets.Put(m.subnet)
	gateway := newGroup(vpc, gatewayGroup, "the streaming gateway", now)
	streamed := newGroup(vpc, streamingGroup, "streaming instances", now)
	m.gateways, m.streamed = gateway.ID, streamed.ID
	gateway.Rules, streamed.Rules = nil, nil
	for _, r := range managementRules {
		sender, receiver := gateway, streamed
		if !r.toward {
			sender, receiver = streamed, gateway
		}
		sender.Rules = append(sender.Rules, r.rule(true, receiver, now))
		receiver.Rules = append(receiver.Rules, r.rule(false, sender, now))
	}
	tx.Groups.Put(gateway)
	tx.Groups.Put(streamed)
	in, err := s.newStreaming(tx, secgroup.Streaming{Owner: serviceScope, Kind: secgroup.GatewayKind, Name: gatewayGroup}, "", "", now)
	if err != nil {
		return nil, err
	}
	if err := s.attachManagement(tx, m, in, m.gateways, 0); err != nil {
		return nil, err
	}
	tx.Instances.Put(in)
	return m, nil
}

func (r managementRule) rule(egress bool, peer *secgroup.Group, now time.Time) secgroup.Rule {
	return secgroup.Rule{
		ID: newID(secgroup.RulePrefix), Created: now,
		RuleKey: secgroup.RuleKey{
			Egress: egress, Protocol: r.protocol, From: r.port, To: r.port, Peer: secgroup.Peer{Group: peer.ID},
		},
		GroupOwner: peer.Account,
	}
}

// newStreaming returns an instance of the service's that shall run. The error is
// a *shortfall.
func (s *Service) newStreaming(tx *model.Tx, what secgroup.Streaming, instanceType, image string, now time.Time) (*secgroup.Instance, error) {
	var host string
	err := error(errNoCapacity)
	if what.Kind == secgroup.GatewayKind { // where it reaches others, if there is such a host
		host, err = s.place(tx, func(h *secgroup.Host) bool { return h.Underlay.IsValid() })
	}
	if err != nil {
		host, err = s.place(tx, s.fits(tx, &what))
	}
	if err != nil {
		return nil, &shortfall{instanceUnmade, errNoCapacity.Message}
	}
	return &secgroup.Instance{
		Scope: serviceScope, ID: newID(secgroup.InstancePrefix), Image: image, Type: instanceType,
		State: secgroup.Pending, Host: host, Boots: 1, Streaming: &what, Launched: now, Created: now,
	}, nil
}

// attachManagement gives an instance its interface in the management network.
func (s *Service) attachManagement(tx *model.Tx, m *management, in *secgroup.Instance, group string, device int) error {
	i, err := s.newInterface(tx, m.subnet, []string{group}, &InterfaceSpec{})
	if err != nil {
		return err
	}
	i.Requester = secgroup.StreamingService
	i.Attachment = s.newAttachment(in.ID, device, true)
	tx.Interfaces.Put(i)
	return nil
}

// ManagementAddress returns the address at which a streaming instance is reached
// by the gateway, the zero Addr while it has none.
func ManagementAddress(snap *model.Snapshot, instance string) netip.Addr {
	for i := range snap.Interfaces.By(model.ByInstance, instance) {
		if i.Scope == serviceScope && len(i.Addresses) > 0 {
			return i.Addresses[0]
		}
	}
	return netip.Addr{}
}

// CustomerInterface returns a streaming instance's interface in its customer's
// subnet, nil for none.
func CustomerInterface(snap *model.Snapshot, instance string) *secgroup.Interface {
	for i := range snap.Interfaces.By(model.ByInstance, instance) {
		if i.Scope != serviceScope {
			return i
		}
	}
	return nil
}

// streamingOf returns the streaming instances of a fleet or builder, the oldest
// first.
func streamingOf(snap *model.Snapshot, scope secgroup.Scope, kind secgroup.StreamingKind, name string) []*secgroup.Instance {
	return slices.SortedFunc(snap.Instances.By(model.ByStreaming, model.StreamingValue(scope, kind, name)), func(a, b *secgroup.Instance) int {
		return a.Created.Compare(b.Created)
	})
}
