// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"net/netip"
	"strings"
	"time"
)

// Host is a machine that runs an agent. It belongs to the installation, not to
// an account (docs/hosts.md).
type Host struct {
	Name     string     `json:"name"`               // a DNS label, unique in the installation
	Underlay netip.Addr `json:"underlay,omitzero"`  // where other hosts reach it; zero: nowhere
	Disabled bool       `json:"disabled,omitempty"` // refused, and told to nobody

	// Of its certificates two are taken: the newest and the one that it was renewed
	// with, in case the answer to that was lost.
	Authority string    `json:"authority"` // id of the one that signed the newest
	Serial    string    `json:"serial"`    // of the newest, in hexadecimal digits
	Former    string    `json:"former,omitempty"`
	Expires   time.Time `json:"expires"` // when the newest does

	Joined  time.Time `json:"joined"`
	Renewed time.Time `json:"renewed"` // when the newest certificate was made
}

// Holds reports whether the certificate of that serial number is one of the host's.
func (h *Host) Holds(serial string) bool {
	return serial != "" && (serial == h.Serial || serial == h.Former)
}

// JoinToken lets one machine become a host, once. What makes it a secret is not
// stored.
type JoinToken struct {
	ID        string    `json:"id"`
	Digest    []byte    `json:"digest"`           // SHA-256 of the secret
	Name      string    `json:"name,omitempty"`   // the host that it is for; "" leaves that to the machine
	Rejoin    bool      `json:"rejoin,omitempty"` // the host of that name is there already and gets new certificates
	Authority string    `json:"authority"`        // id of the one whose certificate it carries the hash of
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Used      time.Time `json:"used,omitzero"`    // zero: not yet
	UsedBy    string    `json:"usedBy,omitempty"` // the host
}

// Authority signs the certificates of hosts and of servers toward hosts. All
// servers of an installation share it.
type Authority struct {
	ID          string    `json:"id"`          // the first 16 hexadecimal digits of the certificate's SHA-256
	Certificate []byte    `json:"certificate"` // DER
	Key         []byte    `json:"-"`           // PKCS #8; only where it was opened
	Sealed      []byte    `json:"sealed"`      // the key as it is stored
	Created     time.Time `json:"created"`
}

// maxHostName is the longest DNS label, in bytes.
const maxHostName = 63

// CheckHostName refuses what is no DNS label in lower case.
func CheckHostName(name string) error {
	valid := name != "" && len(name) <= maxHostName && name[0] != '-' && name[len(name)-1] != '-' &&
		strings.IndexFunc(name, func(c rune) bool { return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') }) < 0
	if !valid {
		return Errorf("InvalidHostName", "%q is not the name of a host: use 1 to %d of a-z, 0-9 and hyphens, no hyphen first or last.", name, maxHostName)
	}
	return nil
}
