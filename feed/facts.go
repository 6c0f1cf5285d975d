// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"net/netip"

	"github.com/hedgeward/hedgeward/secgroup"
)

// Facts are what an instance can ask of itself and of its VPC at the addresses that
// groups never filter (docs/spec/packet-semantics.md section 4.1), beside what the
// host knows of its interfaces. The zero Facts are none: nothing is answered.
type Facts struct {
	Account  string // whose the interfaces are that are spoken of; others of the instance do not exist for it
	Region   string
	Zone     string // of the first of these interfaces
	ZoneID   string
	Image    string
	Type     string
	Launch   string // id of the reservation
	Index    int    // in the launch
	Started  int64  // seconds since the epoch
	Metadata Metadata
	Tags     secgroup.Tags // that it may see
	Resolver bool          // its VPC has one
	Groups   []GroupName   // of these interfaces, sorted
	Doors    []Door        // endpoints of its VPC, sorted
}

// Metadata says who is told metadata.
type Metadata int

const (
	MetadataNone   Metadata = iota // nobody
	MetadataTokens                 // who shows a token
	MetadataOpen                   // whoever asks
)

// GroupName is what a group is called.
type GroupName struct{ ID, Name string }

// Door is a VPC endpoint by its name.
type Door struct {
	Name      string
	Addresses []netip.Addr
}
