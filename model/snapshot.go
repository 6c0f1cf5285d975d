// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// The kinds of rows. Their names are part of the stored form.
const (
	Accounts           Kind = "account"
	AccountRegions     Kind = "account-region"
	AccessKeys         Kind = "access-key"
	VPCs               Kind = "vpc"
	Subnets            Kind = "subnet"
	Groups             Kind = "group"
	Interfaces         Kind = "interface"
	Instances          Kind = "instance"
	PrefixLists        Kind = "prefix-list"
	PrefixListVersions Kind = "prefix-list-version"
	Peerings           Kind = "vpc-peering"
	RouteTables        Kind = "route-table"
	GroupAssociations  Kind = "group-association"
	Tokens             Kind = "token"
	scopes             Kind = "scope"
)

// The indexes, by table.
const (
	ByScope      = "scope"       // what lives in an account's Region: ScopeValue; Peerings: of both sides
	ByVPC        = "vpc"         // Subnets, Groups, Interfaces, RouteTables, GroupAssociations: VPC id; Peerings: of both sides
	BySubnet     = "subnet"      // Interfaces: subnet id; RouteTables: of each subnet tied to it
	ByGroup      = "group"       // Interfaces: id of each of its groups; GroupAssociations: group id
	ByInstance   = "instance"    // Interfaces: id of the instance it is attached to
	ByAddress    = "address"     // Interfaces: AddressValue of each address
	ByMAC        = "mac"         // Interfaces: AddressValue of its hardware address
	ByAttachment = "attachment"  // Interfaces: id of its attachment
	ByClaim      = "claim"       // Interfaces: host that has claimed it
	ByReferenced = "referenced"  // Groups: id of each group its rules name
	ByPrefixList = "prefix-list" // Groups: id of each prefix list its rules name
	ByName       = "name"        // Groups: NameValue
	ByRule       = "rule"        // Groups: id of each of its rules
	ByHost       = "host"        // Instances that are not terminated: host; counted
	ByReserv     = "reservation" // Instances: reservation id
	ByTag        = "tag"         // VPCs, Subnets, Groups, Interfaces, Instances: TagValue of each tag
	ByBlock      = "block"       // Groups: BlockValue of each address block its rules name

	ByVNI         = "vni"         // VPCs: VNIValue
	ByPublic      = "public"      // Interfaces, ElasticIPs: public IPv4 address; of Interfaces those that the network gave
	ByAssociation = "association" // ElasticIPs: id of the association
	ByInterface   = "interface"   // ElasticIPs: id of the interface
	ByPrefix      = "prefix"      // Interfaces: AddressValue of each delegated prefix
)

// ScopeValue is what ByScope looks up.
func ScopeValue(s secgroup.Scope) string { return s.Account + "/" + s.Region }

// TagValue is what ByTag looks up.
func TagValue(s secgroup.Scope, key, value string) string {
	return ScopeValue(s) + "/" + key + "=" + value
}

// BlockValue is what ByBlock looks up, given the canonical text of a block.
func BlockValue(s secgroup.Scope, block string) string { return ScopeValue(s) + "/" + block }

// NameValue is what ByName looks up. Names that differ in letter case alone have
// one value: no VPC holds two of them, and who minds compares what was found.
func NameValue(vpc, name string) string { return vpc + "/" + strings.ToLower(name) }

// AddressValue is what ByAddress and ByMAC look up: addresses are unique in a
// VPC.
func AddressValue(vpc, address string) string { return vpc + "/" + address }

// VNIValue is what ByVNI looks up.
func VNIValue(vni uint32) string { return strconv.FormatUint(uint64(vni), 10) }

// ScopeID returns the id of an account's Region in AccountRegions.
func ScopeID(s secgroup.Scope) string { return s.Account + "." + s.Region }

// VersionID returns the id of a version of a prefix list in PrefixListVersions.
func VersionID(list string, version int64) string { return list + "." + strconv.FormatInt(version, 10) }

// GroupAssociationID returns the id of an association in GroupAssociations.
func GroupAssociationID(group, vpc string) string { return group + "." + vpc }

// TokenID returns the id under which a client token is remembered.
func TokenID(s secgroup.Scope, operation, token string) string {
	return ScopeID(s) + "." + operation + "." + token
}

var (
	accountSchema = schema[secgroup.Account]{kind: Accounts, id: func(a *secgroup.Account) string { return a.ID }}

	accountRegionSchema = schema[secgroup.AccountRegion]{
		kind: AccountRegions, id: func(r *secgroup.AccountRegion) string { return ScopeID(r.Scope) },
	}

	vpcSchema = schema[secgroup.VPC]{
		kind: VPCs, id: func(v *secgroup.VPC) string { return v.ID },
		born: func(v *secgroup.VPC) time.Time { return v.Created },
		indexes: []index[secgroup.VPC]{
			{ByScope, func(v *secgroup.VPC) []string { return []string{ScopeValue(v.Scope)} }},
			{ByTag, func(v *secgroup.VPC) []string { return tagged(v.Scope, v.Tags) }},
			{ByVNI, func(v *secgroup.VPC) []string {
				if v.VNI == 0 {
					return nil
				}
				return []string{VNIValue(v.VNI)}
			}},
		},
	}
	subnetSchema = schema[secgroup.Subnet]{
		kind: Subnets, id: func(s *secgroup.Subnet) string { return s.ID },
		born: func(s *secgroup.Subnet) time.Time { return s.Created },
		indexes: []index[secgroup.Subnet]{
			{ByScope, func(s *secgroup.Subnet) []string { return []string{ScopeValue(s.Scope)} }},
			{ByTag, func(s *secgroup.Subnet) []string { return tagged(s.Scope, s.Tags) }},
			{ByVPC, func(s *secgroup.Subnet) []string { return []string{s.VPC} }},
		},
	}
	groupSchema = schema[secgroup.Group]{
		kind: Groups, id: func(g *secgroup.Group) string { return g.ID },
		born: func(g *secgroup.Group) time.Time { return g.Created },
		indexes: []index[secgroup.Group]{
			{ByScope, func(g *secgroup.Group) []string { return []string{ScopeValue(g.Scope)} }},
			{ByTag, func(g *secgroup.Group) []string { return tagged(g.Scope, g.Tags) }},
			{ByBlock, func(g *secgroup.Group) []string {
				return peers(g, func(p *secgroup.Peer) string {
					if !p.Prefix.IsValid() {
						return ""
					}
					return BlockValue(g.Scope, p.Prefix.String())
				})
			}},
			{ByVPC, func(g *secgroup.Group) []string { return []string{g.VPC} }},
			{ByName, func(g *secgroup.Group) []string { return []string{NameValue(g.VPC, g.Name)} }},
			{ByReferenced, func(g *secgroup.Group) []string { return peers(g, func(p *secgroup.Peer) string { return p.Group }) }},
			{ByPrefixList, func(g *secgroup.Group) []string {
				return peers(g, func(p *secgroup.Peer) string { return p.PrefixList })
			}},
			{ByRule, func(g *secgroup.Group) []string {
				ids := make([]string, len(g.Rules))
				for i := range g.Rules {
					ids[i] = g.Rules[i].ID
				}
				return ids
			}},
		},
	}
	interfaceSchema = schema[secgroup.Interface]{
		kind: Interfaces, id: func(i *secgroup.Interface) string { return i.ID },
		born: func(i *secgroup.Interface) time.Time { return i.Created },
		indexes: []index[secgroup.Interface]{
			{ByScope, func(i *secgroup.Interface) []string { return []string{ScopeValue(i.Scope)} }},
			{ByTag, func(i *secgroup.Interface) []string { return tagged(i.Scope, i.Tags) }},
			{ByVPC, func(i *secgroup.Interface) []string { return []string{i.VPC} }},
			{BySubnet, func(i *secgroup.Interface) []string { return []string{i.Subnet} }},
			{ByGroup, func(i *secgroup.Interface) []string { return i.Groups }},
			{ByInstance, func(i *secgroup.Interface) []string {
				if i.Attachment == nil || i.Attachment.Instance == "" {
					return nil
				}
				return []string{i.Attachment.Instance}
			}},
			{ByClaim, func(i *secgroup.Interface) []string {
				if i.Claimed() == nil {
					return nil
				}
				return []string{i.Claimed().Host}
			}},
			{ByAttachment, func(i *secgroup.Interface) []string {
				if i.Attachment == nil {
					return nil
				}
				return []string{i.Attachment.ID}
			}},
			{ByMAC, func(i *secgroup.Interface) []string { return []string{AddressValue(i.VPC, i.MAC)} }},
			{ByAddress, func(i *secgroup.Interface) []string {
				var values []string
				for _, a := range slices.Concat(i.Addresses, i.IPv6) {
					values = append(values, AddressValue(i.VPC, a.String()))
				}
				return values
			}},
			{ByPrefix, func(i *secgroup.Interface) []string {
				var values []string
				for _, p := range slices.Concat(i.Prefixes, i.IPv6Prefixes) {
					values = append(values, AddressValue(i.VPC, p.String()))
				}
				return values
			}},
			{ByPublic, func(i *secgroup.Interface) []string {
				if !i.Public.IsValid() {
					return nil
				}
				return []string{i.Public.String()}
			}},
		},
	}
	instanceSchema = schema[secgroup.Instance]{
		kind: Instances, id: func(i *secgroup.Instance) string { return i.ID },
		born: func(i *secgroup.Instance) time.Time { return i.Created },
		indexes: []index[secgroup.Instance]{
			{ByScope, func(i *secgroup.Instance) []string { return []string{ScopeValue(i.Scope)} }},
			{ByTag, func(i *secgroup.Instance) []string { return tagged(i.Scope, i.Tags) }},
			{ByHost, hostedBy},
			{ByReserv, func(i *secgroup.Instance) []string { return []string{i.Reservation} }},
			{ByStreaming, streamingValues},
		},
		counted: ByHost,
	}
	prefixListSchema = schema[secgroup.PrefixList]{
		kind: PrefixLists, id: func(l *secgroup.PrefixList) string { return l.ID },
		born: func(l *secgroup.PrefixList) time.Time { return l.Created },
		indexes: []index[secgroup.PrefixList]{
			{ByScope, func(l *secgroup.PrefixList) []string { return []string{ScopeValue(l.Scope)} }},
		},
	}
	prefixListVersionSchema = schema[secgroup.PrefixListVersion]{
		kind: PrefixListVersions, id: func(v *secgroup.PrefixListVersion) string { return VersionID(v.List, v.Version) },
	}
	peeringSchema = schema[secgroup.Peering]{
		kind: Peerings, id: func(p *secgroup.Peering) string { return p.ID },
		born: func(p *secgroup.Peering) time.Time { return p.Created },
		indexes: []index[secgroup.Peering]{
			{ByScope, func(p *secgroup.Peering) []string {
				return distinct(ScopeValue(p.Requester.Scope), ScopeValue(p.Accepter.Scope))
			}},
			{ByVPC, func(p *secgroup.Peering) []string { return distinct(p.Requester.VPC, p.Accepter.VPC) }},
		},
	}
	routeTableSchema = schema[secgroup.RouteTable]{
		kind: RouteTables, id: func(t *secgroup.RouteTable) string { return t.ID },
		born: func(t *secgroup.RouteTable) time.Time { return t.Created },
		indexes: []index[secgroup.RouteTable]{
			{ByScope, func(t *secgroup.RouteTable) []string { return []string{ScopeValue(t.Scope)} }},
			{ByVPC, func(t *secgroup.RouteTable) []string { return []string{t.VPC} }},
			{BySubnet, func(t *secgroup.RouteTable) []string {
				ids := make([]string, len(t.Subnets))
				for i, a := range t.Subnets {
					ids[i] = a.Subnet
				}
				return ids
			}},
		},
	}
	groupAssociationSchema = schema[secgroup.GroupAssociation]{
		kind: GroupAssociations, id: func(a *secgroup.GroupAssociation) string { return GroupAssociationID(a.Group, a.VPC) },
		born: func(a *secgroup.GroupAssociation) time.Time { return a.Created },
		indexes: []index[secgroup.GroupAssociation]{
			{ByScope, func(a *secgroup.GroupAssociation) []string { return []string{ScopeValue(a.Scope)} }},
			{ByVPC, func(a *secgroup.GroupAssociation) []string { return []string{a.VPC} }},
			{ByGroup, func(a *secgroup.GroupAssociation) []string { return []string{a.Group} }},
		},
	}
	tokenSchema = schema[secgroup.Token]{
		kind: Tokens, id: func(t *secgroup.Token) string { return TokenID(t.Scope, t.Operation, t.Token) },
		indexes: []index[secgroup.Token]{
			{ByScope, func(t *secgroup.Token) []string { return []string{ScopeValue(t.Scope)} }},
		},
	}
)

// distinct returns two values, or the one that both are.
func distinct(a, b string) []string {
	if a == b {
		return []string{a}
	}
	return []string{a, b}
}

// peers returns what a group's rules name, each once, in the order of the rules;
// name returns "" for a rule that names nothing of the kind.
func peers(g *secgroup.Group, name func(*secgroup.Peer) string) []string {
	var values []string
	seen := map[string]bool{}
	for i := range g.Rules {
		if v := name(&g.Rules[i].Peer); v != "" && !seen[v] {
			seen[v] = true
			values = append(values, v)
		}
	}
	return values
}

// tagged returns the values of ByTag of a row with these tags.
func tagged(s secgroup.Scope, tags secgroup.Tags) []string {
	var values []string
	for _, t := range tags {
		values = append(values, TagValue(s, t.Key, t.Value))
	}
	return values
}

// Snapshot is everything the store held at one revision.
type Snapshot struct {
	Revision int64 // 0 before the first load

	Accounts           Table[secgroup.Account]
	AccountRegions     Table[secgroup.AccountRegion]
	AccessKeys         Table[secgroup.AccessKey]
	Users              Table[secgroup.User]
	Roles              Table[secgroup.Role]
	Policies           Table[secgroup.PolicyDocument]
	VPCs               Table[secgroup.VPC]
	Subnets            Table[secgroup.Subnet]
	Peerings           Table[secgroup.Peering]
	RouteTables        Table[secgroup.RouteTable]
	InternetGateways   Table[secgroup.InternetGateway]
	ElasticIPs         Table[secgroup.ElasticIP]
	GroupAssociations  Table[secgroup.GroupAssociation]
	Groups             Table[secgroup.Group]
	Interfaces         Table[secgroup.Interface]
	Instances          Table[secgroup.Instance]
	PrefixLists        Table[secgroup.PrefixList]
	PrefixListVersions Table[secgroup.PrefixListVersion]
	Tokens             Table[secgroup.Token]

	LaunchTemplates        Table[secgroup.LaunchTemplate]
	LaunchTemplateVersions Table[secgroup.LaunchTemplateVersion]
	Quotas                 Table[secgroup.Quotas]

	Fleets            Table[secgroup.Fleet]
	Builders          Table[secgroup.Builder]
	Stacks            Table[secgroup.Stack]
	StreamingSessions Table[secgroup.StreamingSession]
	DirectoryConfigs  Table[secgroup.DirectoryConfig]

	VPCEndpoints Table[secgroup.VPCEndpoint]
	NATGateways  Table[secgroup.NATGateway]

	Hosts       Table[secgroup.Host]
	JoinTokens  Table[secgroup.JoinToken]
	Authorities Table[secgroup.Authority]

	guards *btree.Map[string, int64] // scope -> revision of its last change
}

func newSnapshot() *Snapshot {
	return &Snapshot{
		Accounts:           newTable(&accountSchema),
		AccountRegions:     newTable(&accountRegionSchema),
		AccessKeys:         newTable(&accessKeySchema),
		Users:              newTable(&userSchema),
		Roles:              newTable(&roleSchema),
		Policies:           newTable(&policySchema),
		VPCs:               newTable(&vpcSchema),
		Subnets:            newTable(&subnetSchema),
		Peerings:           newTable(&peeringSchema),
		RouteTables:        newTable(&routeTableSchema),
		InternetGateways:   newTable(&internetGatewaySchema),
		ElasticIPs:         newTable(&elasticIPSchema),
		GroupAssociations:  newTable(&groupAssociationSchema),
		Groups:             newTable(&groupSchema),
		Interfaces:         newTable(&interfaceSchema),
		Instances:          newTable(&instanceSchema),
		PrefixLists:        newTable(&prefixListSchema),
		PrefixListVersions: newTable(&prefixListVersionSchema),
		Tokens:             newTable(&tokenSchema),

		LaunchTemplates:        newTable(&launchTemplateSchema),
		LaunchTemplateVersions: newTable(&launchTemplateVersionSchema),
		Quotas:                 newTable(&quotasSchema),

		Fleets:            newTable(&fleetSchema),
		Builders:          newTable(&builderSchema),
		Stacks:            newTable(&stackSchema),
		StreamingSessions: newTable(&streamingSessionSchema),
		DirectoryConfigs:  newTable(&directoryConfigSchema),

		VPCEndpoints: newTable(&vpcEndpointSchema),
		NATGateways:  newTable(&natGatewaySchema),

		Hosts:       newTable(&hostSchema),
		JoinTokens:  newTable(&joinTokenSchema),
		Authorities: newTable(&authoritySchema),

		guards: new(btree.Map[string, int64]),
	}
}

// tables lists every table, for loading and copying.
func (s *Snapshot) tables() []anyTable {
	return []anyTable{
		&s.Accounts, &s.AccountRegions, &s.AccessKeys, &s.Users, &s.Roles, &s.Policies, &s.VPCs, &s.Subnets, &s.Peerings, &s.RouteTables, &s.InternetGateways, &s.ElasticIPs, &s.GroupAssociations, &s.Groups,
		&s.Interfaces, &s.Instances, &s.PrefixLists, &s.PrefixListVersions, &s.Tokens,
		&s.LaunchTemplates, &s.LaunchTemplateVersions, &s.Quotas,
		&s.Fleets, &s.Builders, &s.Stacks, &s.StreamingSessions, &s.DirectoryConfigs, &s.VPCEndpoints, &s.NATGateways,
		&s.Hosts, &s.JoinTokens, &s.Authorities,
	}
}

// copy returns an independent snapshot; c non-nil makes its tables writable and
// collects their changes. Callers hold the lock that serialises copying.
func (s *Snapshot) copy(c *changes) *Snapshot {
	next := *s
	next.guards = s.guards.Copy()
	for _, t := range next.tables() {
		t.copyTo(c)
	}
	return &next
}

// table returns the table of a kind.
func (s *Snapshot) table(kind Kind) (anyTable, error) {
	for _, t := range s.tables() {
		if t.kindOf() == kind {
			return t, nil
		}
	}
	return nil, fmt.Errorf("the store holds a %q, which this version does not know; use the version that wrote it", kind)
}

// load brings one stored entry in and returns its ref; ok is false for keys that
// are no rows.
func (s *Snapshot) load(e store.Entry) (ref Ref, ok bool, err error) {
	ref, ok = refOf(e.Key)
	if !ok {
		return ref, false, nil
	}
	if ref.Kind == scopes {
		s.guards.Set(ref.ID, e.Revision)
		return ref, false, nil
	}
	t, err := s.table(ref.Kind)
	if err != nil {
		return ref, false, err
	}
	row, err := t.decode(ref.ID, e.Value)
	if err != nil {
		return ref, false, err
	}
	t.put(ref.ID, row)
	return ref, true, nil
}

// encode returns the stored form of a row, nil for a nil pointer.
func encode(row any) ([]byte, error) {
	if reflect.ValueOf(row).IsNil() {
		return nil, nil
	}
	if fast, ok := row.(interface{ AppendJSON([]byte) []byte }); ok {
		return fast.AppendJSON(nil), nil
	}
	return json.Marshal(row)
}
