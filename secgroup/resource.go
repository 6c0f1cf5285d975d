// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"time"
)

// Scope is where a resource lives. Names, quotas and lookups never cross it.
type Scope struct {
	Account string `json:"account"` // 12 digits
	Region  string `json:"region"`  // e.g. "us-east-1"
}

// Account owns resources.
type Account struct {
	ID        string    `json:"id"`                  // 12 digits
	Suspended bool      `json:"suspended,omitempty"` // its calls are refused; what runs goes on
	Created   time.Time `json:"created"`
}

// AccountRegion records that an account's default VPC of one Region has been
// made, so that a default VPC that its owner deleted is not made again.
type AccountRegion struct {
	Scope
	DHCPOptions string    `json:"dhcpOptions"` // id of the default DHCP option set
	DHCPTags    Tags      `json:"dhcpTags,omitempty"`
	Created     time.Time `json:"created"`
}

// AccessKey is one credential of one principal.
type AccessKey struct {
	ID       string    `json:"id"`               // AKIA…
	Secret   string    `json:"secret,omitempty"` // empty in the store: see Sealed
	Sealed   []byte    `json:"sealed,omitempty"` // the secret as it is stored (docs/spec/ec2-api.md section 11.5)
	Account  string    `json:"account"`
	User     string    `json:"user"`   // user name; "root" is the account itself
	UserID   string    `json:"userId"` // AIDA…, or the account id for root
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
}

// ARN returns the principal's name as STS and policies spell it.
func (k *AccessKey) ARN() string {
	if k.User == "root" {
		return "arn:aws:iam::" + k.Account + ":root"
	}
	return "arn:aws:iam::" + k.Account + ":user/" + k.User
}

// CIDRAssociation ties an address block to a VPC or subnet.
type CIDRAssociation struct {
	ID     string       `json:"id"` // vpc-cidr-assoc-… or subnet-cidr-assoc-…
	Prefix netip.Prefix `json:"prefix"`
}

// VPC is one address space. Two VPCs with equal blocks never influence each
// other (docs/spec/packet-semantics.md section 1.7).
type VPC struct {
	Scope
	ID             string            `json:"id"`
	CIDRs          []CIDRAssociation `json:"cidrs"` // IPv4, the primary block first; never empty
	IPv6           []CIDRAssociation `json:"ipv6,omitempty"`
	Default        bool              `json:"default,omitempty"`
	Tenancy        string            `json:"tenancy"` // "default" or "dedicated"
	DHCPOptions    string            `json:"dhcpOptions"`
	MainRouteTable string            `json:"mainRouteTable"`
	DefaultACL     string            `json:"defaultAcl"`
	ACLTags        Tags              `json:"aclTags,omitempty"` // of the default ACL
	DefaultGroup   string            `json:"defaultGroup"`
	VNI            uint32            `json:"vni,omitempty"` // its number between hosts, of 24 bits, no other VPC's; 0: none yet
	DNSSupport     bool              `json:"dnsSupport"`
	DNSHostnames   bool              `json:"dnsHostnames"`
	UsageMetrics   bool              `json:"usageMetrics,omitempty"` // kept to be shown: nothing measures
	Tags           Tags              `json:"tags,omitempty"`
	Created        time.Time         `json:"created"`
}

// Subnet is a part of a VPC's blocks in one zone.
type Subnet struct {
	Scope
	ID                 string           `json:"id"`
	VPC                string           `json:"vpc"`
	CIDR               netip.Prefix     `json:"cidr"`                 // IPv4; invalid when IPv6-only
	IPv6               *CIDRAssociation `json:"ipv6,omitempty"`       // nil without IPv6
	FormerIPv6         *CIDRAssociation `json:"formerIpv6,omitempty"` // the last one given up, for clients that wait to see that; nil without
	Zone               string           `json:"zone"`                 // e.g. "us-east-1a"
	ZoneID             string           `json:"zoneId"`               // e.g. "use1-az1"
	DefaultForZone     bool             `json:"defaultForZone,omitempty"`
	MapPublicIP        bool             `json:"mapPublicIp,omitempty"`
	AssignIPv6OnCreate bool             `json:"assignIpv6OnCreate,omitempty"`
	IPv6Native         bool             `json:"ipv6Native,omitempty"`
	NoRouter           bool             `json:"noRouter,omitempty"` // no way leads out: interfaces get no default route
	Tags               Tags             `json:"tags,omitempty"`
	Created            time.Time        `json:"created"`
}

// Group is a security group with its rules. It is one stored value, so that
// duplicate and quota checks are atomic by construction.
type Group struct {
	Scope
	ID             string    `json:"id"`
	VPC            string    `json:"vpc"`
	Name           string    `json:"name"`
	Description    string    `json:"description"`
	Rules          []Rule    `json:"rules"`                    // in order of creation
	EgressOriginal bool      `json:"egressOriginal,omitempty"` // egress never changed since creation (docs/spec/ec2-api.md section 3.1)
	Tags           Tags      `json:"tags,omitempty"`
	Created        time.Time `json:"created"`
}

// Default reports whether this is the group that was born with its VPC.
func (g *Group) Default() bool { return g.Name == "default" }

// Tracking holds the connection-tracking timeouts of an interface, in seconds.
// Zero means that the instance type's default holds
// (docs/spec/packet-semantics.md section 3.7).
type Tracking struct {
	TCPEstablished int `json:"tcpEstablished,omitempty"` // 60-432000; 432000
	UDP            int `json:"udp,omitempty"`            // 30-60; 30
	UDPStream      int `json:"udpStream,omitempty"`      // 60-180; 180
}

// Attachment ties an interface to an instance, or to a device that a host claims
// it for.
type Attachment struct {
	ID                  string    `json:"id"`              // eni-attach-…; of a claim ela-attach-…
	Instance            string    `json:"instance"`        // "" if claimed
	Claim               *Claim    `json:"claim,omitempty"` // nil if an instance has it
	DeviceIndex         int       `json:"deviceIndex"`     // 0 is the primary interface, eth0
	DeleteOnTermination bool      `json:"deleteOnTermination,omitempty"`
	Attached            time.Time `json:"attached"`
}

// Claim says at which device a host enforces an interface that no instance has
// (docs/spec/packet-semantics.md section 4.8).
type Claim struct {
	Host   string `json:"host"`
	Device string `json:"device"` // its name on the host; the device need not be there
	// Own turns the device round: it is a NIC of the host itself, so what leaves
	// the host by it comes from the interface.
	Own bool `json:"own,omitempty"`
	// For says what is behind the device, a container for example, in the words of the
	// tool that asked for it; "" if it said nothing.
	For string `json:"for,omitempty"`
	// Releasing is set from when the claim is given up until the host has taken
	// the programs off the device.
	Releasing bool `json:"releasing,omitempty"`
}

// Claimed returns who has claimed the interface, nil for nobody.
func (i *Interface) Claimed() *Claim {
	if i.Attachment == nil {
		return nil
	}
	return i.Attachment.Claim
}

// Interface is an elastic network interface: the thing that groups are put on
// and at which packets are judged.
type Interface struct {
	Scope
	ID              string         `json:"id"` // eni-…
	VPC             string         `json:"vpc"`
	Subnet          string         `json:"subnet"`
	MAC             string         `json:"mac"` // "02:…", unique in the VPC
	Description     string         `json:"description"`
	Addresses       []netip.Addr   `json:"addresses,omitempty"` // IPv4, the primary first
	IPv6            []netip.Addr   `json:"ipv6,omitempty"`
	Prefixes        []netip.Prefix `json:"prefixes,omitempty"`     // delegated: IPv4 /28, every address in them is the interface's
	IPv6Prefixes    []netip.Prefix `json:"ipv6Prefixes,omitempty"` // delegated: /80
	AutoPublic      bool           `json:"autoPublic,omitempty"`   // the network gives the primary address a public one while the instance runs
	Public          netip.Addr     `json:"public,omitzero"`        // that it gave; zero for none
	Groups          []string       `json:"groups"`                 // ids, in the order given; never empty
	SourceDestCheck bool           `json:"sourceDestCheck"`
	Tracking        *Tracking      `json:"tracking,omitempty"`   // nil when never set
	Attachment      *Attachment    `json:"attachment,omitempty"` // nil when available
	Requester       string         `json:"requester,omitempty"`  // service that manages it; "" for the owner
	Tags            Tags           `json:"tags,omitempty"`
	Created         time.Time      `json:"created"`
}

// InstanceState is the state of an instance as EC2 names it
// (docs/spec/ec2-api.md section 6.2).
type InstanceState string

const (
	Pending      InstanceState = "pending"       // wanted running, not there yet
	Running      InstanceState = "running"       //
	Stopping     InstanceState = "stopping"      // wanted stopped, still there
	Stopped      InstanceState = "stopped"       //
	ShuttingDown InstanceState = "shutting-down" // wanted gone, still there
	Terminated   InstanceState = "terminated"    // gone; the record stays visible about an hour
)

// Code returns the number that goes with the state on the wire.
func (s InstanceState) Code() int32 {
	switch s {
	case Running:
		return 16
	case ShuttingDown:
		return 32
	case Terminated:
		return 48
	case Stopping:
		return 64
	case Stopped:
		return 80
	}
	return 0
}

// Instance is a machine whose interfaces are enforced. Its interfaces name it in
// their attachments; it does not name them.
type Instance struct {
	Scope
	ID           string        `json:"id"`
	Reservation  string        `json:"reservation"` // r-…
	LaunchIndex  int           `json:"launchIndex"` // place in its reservation
	Image        string        `json:"image"`
	Type         string        `json:"type"`
	KeyName      string        `json:"keyName,omitempty"`
	UserData     []byte        `json:"userData,omitempty"`
	State        InstanceState `json:"state"`
	Reason       string        `json:"reason,omitempty"` // of the last stop or end, "CODE: text"; empty while it runs
	ReasonAt     time.Time     `json:"reasonAt,omitzero"`
	Zone         string        `json:"zone"`
	VPC          string        `json:"vpc,omitempty"`     // empty once terminated
	Subnet       string        `json:"subnet,omitempty"`  // of the primary interface; empty once terminated
	Host         string        `json:"host"`              // the agent that runs it
	Boots        int           `json:"boots"`             // user data runs when this turns 1
	Reboots      int           `json:"reboots,omitempty"` // programs inside end whenever this grows
	ClientToken  string        `json:"clientToken,omitempty"`
	Options      Options       `json:"options,omitzero"`
	Streaming    *Streaming    `json:"streaming,omitempty"` // nil for instances of EC2's
	Tags         Tags          `json:"tags,omitempty"`
	Launched     time.Time     `json:"launched"`              // of the last start
	Created      time.Time     `json:"created"`               // of RunInstances
	TerminatedAt time.Time     `json:"terminatedAt,omitzero"` // zero until then
}

// Options are the settings of an instance that no packet depends on. They are
// kept to be shown; only the two locks change what an operation does.
type Options struct {
	NoStop           bool   `json:"noStop,omitempty"`           // StopInstances is refused
	NoTermination    bool   `json:"noTermination,omitempty"`    // TerminateInstances is refused
	ShutdownBehavior string `json:"shutdownBehavior,omitempty"` // "stop" or "terminate"; "" is "stop"
	Monitoring       bool   `json:"monitoring,omitempty"`
	EBSOptimized     bool   `json:"ebsOptimized,omitempty"`
	// Of the metadata service, as the client gave them; "" and 0 are EC2's defaults.
	MetadataTokens   string `json:"metadataTokens,omitempty"`
	MetadataEndpoint string `json:"metadataEndpoint,omitempty"`
	MetadataIPv6     string `json:"metadataIpv6,omitempty"`
	MetadataTags     string `json:"metadataTags,omitempty"`
	MetadataHopLimit int32  `json:"metadataHopLimit,omitempty"`
}

// Token remembers the outcome of a call with a client token
// (docs/spec/ec2-api.md section 1.7).
type Token struct {
	Scope
	Operation string    `json:"operation"`
	Token     string    `json:"token"`
	Request   string    `json:"request"` // digest of the other parameters
	Resources []string  `json:"resources"`
	Created   time.Time `json:"created"`
}
