// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"time"
)

// ServiceAccount owns what customers use and do not own: streaming instances, the
// management network and its gateway. It has no keys, and no account that is made
// gets its number: theirs never begin with zero.
const ServiceAccount = "000000000001"

// StreamingService manages the network interfaces of streaming instances in
// their customers' subnets (docs/spec/appstream.md section 1.3).
const StreamingService = "appstream"

// StreamingKind is what a streaming instance runs for.
type StreamingKind string

const (
	FleetKind           StreamingKind = "fleet"
	ImageBuilderKind    StreamingKind = "image-builder"
	AppBlockBuilderKind StreamingKind = "app-block-builder"
	GatewayKind         StreamingKind = "gateway"      // of the service itself: connects users to streams
	EndpointKind        StreamingKind = "vpc-endpoint" // an interface endpoint's in one subnet; Name is its id
	NATKind             StreamingKind = "nat-gateway"  // that of a NAT gateway; Name is its id
)

// Streaming says what a streaming instance runs for. The instance is the
// service's; Owner has the fleet or builder, and the customer interface.
type Streaming struct {
	Owner    Scope         `json:"owner"`
	Kind     StreamingKind `json:"kind"`
	Name     string        `json:"name"`               // of the fleet or builder
	Used     bool          `json:"used,omitempty"`     // had a session: goes when the last one has ended
	Draining bool          `json:"draining,omitempty"` // gets no further session
	// Directory is the domain that the instance joins whenever it starts, "" for
	// none, and Joined the number of the start at which it did last.
	Directory string `json:"directory,omitempty"`
	Joined    int    `json:"joined,omitempty"`
	// Reached is where users reach the gateway, as its host says; "" for all others.
	Reached string `json:"reached,omitempty"`
}

// VPCConfig is where the customer interfaces of a fleet or builder are.
type VPCConfig struct {
	Subnets []string `json:"subnets"`          // ids; never empty
	Groups  []string `json:"groups,omitempty"` // ids, in the order given; none means the VPC's default group
}

// StreamingError is why a fleet or builder has not what it should.
type StreamingError struct {
	Code    string    `json:"code"` // docs/spec/appstream.md section 3.5
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// FleetState is the state of a fleet (docs/spec/appstream.md section 3.1).
type FleetState string

const (
	FleetStarting FleetState = "STARTING"
	FleetRunning  FleetState = "RUNNING"
	FleetStopping FleetState = "STOPPING"
	FleetStopped  FleetState = "STOPPED"
)

// FleetType says when instances of a fleet run.
type FleetType string

const (
	AlwaysOn FleetType = "ALWAYS_ON" // all the time
	OnDemand FleetType = "ON_DEMAND" // while a user has a session; others wait stopped
	Elastic  FleetType = "ELASTIC"   // they exist while a user has a session
)

// Fleet is a number of equal streaming instances that users get one by one.
type Fleet struct {
	Scope
	Name         string     `json:"name"`
	Type         FleetType  `json:"type"`
	InstanceType string     `json:"instanceType"`        // stream.…
	Image        string     `json:"image,omitempty"`     // name; "" for elastic fleets
	Platform     string     `json:"platform,omitempty"`  // of elastic fleets
	Desired      int        `json:"desired"`             // instances; 0 for elastic fleets
	Sessions     int        `json:"sessions,omitempty"`  // per instance; 0 is one and no more
	MaxSessions  int        `json:"max,omitempty"`       // of an elastic fleet, at a time
	VPC          *VPCConfig `json:"vpcConfig,omitempty"` // nil: streaming and nothing else
	Internet     bool       `json:"internet,omitempty"`  // default internet access

	MaxDuration time.Duration `json:"maxDuration"` // of a session
	Disconnect  time.Duration `json:"disconnect"`  // a session whose user is away goes on so long
	Idle        time.Duration `json:"idle"`        // a user who does nothing for so long is disconnected; 0: never

	State     FleetState       `json:"state"`
	Errors    []StreamingError `json:"errors,omitempty"`
	NotBefore time.Time        `json:"notBefore,omitzero"` // no instance is tried again earlier
	Options   FleetOptions     `json:"options,omitzero"`
	Tags      Tags             `json:"tags,omitempty"`
	Created   time.Time        `json:"created"`
}

// FleetOptions are the settings of a fleet that no packet depends on, but for the
// directory. They are kept to be shown; nil and "" were never set.
type FleetOptions struct {
	DisplayName  *string    `json:"displayName,omitempty"`
	Description  *string    `json:"description,omitempty"`
	Role         string     `json:"role,omitempty"` // ARN
	StreamView   string     `json:"streamView,omitempty"`
	Directory    *Directory `json:"directory,omitempty"`
	VolumeGB     int32      `json:"volumeGb,omitempty"`
	NoIMDSv1     *bool      `json:"noImdsV1,omitempty"`
	USBFilters   []string   `json:"usbFilters,omitempty"`
	ScriptBucket string     `json:"scriptBucket,omitempty"`
	ScriptKey    string     `json:"scriptKey,omitempty"`
}

// Domain returns the name of the domain that instances shall join, "" for none.
func (o *FleetOptions) Domain() string {
	if o.Directory == nil {
		return ""
	}
	return o.Directory.Name
}

// Directory is the domain that instances shall join.
type Directory struct {
	Name string `json:"name"` // of a DirectoryConfig
	Unit string `json:"unit,omitempty"`
}

// DirectoryConfig is a domain that the instances of an account's fleets and image
// builders can join.
type DirectoryConfig struct {
	Scope
	Name      string    `json:"name"`             // of the domain, in the DNS
	Units     []string  `json:"units"`            // distinguished names
	Joiner    string    `json:"joiner,omitempty"` // name of the service account
	Sealed    []byte    `json:"sealed,omitempty"` // password of Joiner; only control opens it
	Authority string    `json:"authority,omitempty"`
	Status    string    `json:"status,omitempty"` // of logon by certificates of Authority; "" was never set
	Created   time.Time `json:"created"`
}

// BuilderState is the state of an image builder or app block builder
// (docs/spec/appstream.md sections 4 and 5).
type BuilderState string

const (
	BuilderPending  BuilderState = "PENDING" // an app block builder's is shown as STARTING
	BuilderRunning  BuilderState = "RUNNING"
	BuilderStopping BuilderState = "STOPPING"
	BuilderStopped  BuilderState = "STOPPED"
	BuilderDeleting BuilderState = "DELETING"
	BuilderFailed   BuilderState = "FAILED"
)

// Builder is an image builder or an app block builder: one streaming instance on
// which somebody prepares applications.
type Builder struct {
	Scope
	Kind         StreamingKind    `json:"kind"`
	Name         string           `json:"name"`
	InstanceType string           `json:"instanceType"`
	Image        string           `json:"image,omitempty"` // name; of image builders
	Platform     string           `json:"platform"`
	VPC          *VPCConfig       `json:"vpcConfig,omitempty"`
	Internet     bool             `json:"internet,omitempty"`
	Endpoints    []string         `json:"endpoints,omitempty"` // ids of VPC endpoints for streaming
	State        BuilderState     `json:"state"`
	Errors       []StreamingError `json:"errors,omitempty"`
	Options      FleetOptions     `json:"options,omitzero"` // of them those that builders have
	Tags         Tags             `json:"tags,omitempty"`
	Created      time.Time        `json:"created"`
}

// Stack is what users are let into: a fleet and settings of their sessions.
type Stack struct {
	Scope
	Name      string    `json:"name"`
	Fleet     string    `json:"fleet,omitempty"`    // name of the associated one, "" for none
	Protocol  string    `json:"protocol,omitempty"` // "TCP" or "UDP", preferred; "" is TCP
	Endpoints []string  `json:"endpoints,omitempty"`
	Settings  []byte    `json:"settings,omitempty"` // everything else, as the API's edge keeps it to be shown
	Tags      Tags      `json:"tags,omitempty"`
	Created   time.Time `json:"created"`
}

// SessionState is the state of a streaming session.
type SessionState string

const (
	SessionPending SessionState = "PENDING" // its instance is not there yet
	SessionActive  SessionState = "ACTIVE"
	SessionExpired SessionState = "EXPIRED" // over; the record stays visible about an hour
)

// StreamingSession is one user on one streaming instance of a fleet.
type StreamingSession struct {
	Scope
	ID        string       `json:"id"`
	Stack     string       `json:"stack"`
	Fleet     string       `json:"fleet"`
	User      string       `json:"user"`
	Instance  string       `json:"instance"`
	State     SessionState `json:"state"`
	Endpoint  string       `json:"endpoint,omitempty"` // id of the VPC endpoint that the user comes by; "" for the internet
	Door      netip.Addr   `json:"door,omitzero"`      // of the endpoint's interfaces, that by which the user came last
	Connected bool         `json:"connected,omitempty"`
	Away      time.Time    `json:"away"` // since when nobody is connected
	Started   time.Time    `json:"started"`
	Expires   time.Time    `json:"expires"` // at the latest
	Ended     time.Time    `json:"ended,omitzero"`
}
