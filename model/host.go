// SPDX-License-Identifier: Apache-2.0

package model

import (
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// The kinds of rows that say which machines belong to the installation.
const (
	Hosts       Kind = "host"
	JoinTokens  Kind = "join-token"
	Authorities Kind = "authority"
)

// ByUnderlay finds enabled Hosts by the text of their underlay address, and all
// that have one by AnyUnderlay.
const (
	ByUnderlay  = "underlay"
	AnyUnderlay = ""
)

var (
	hostSchema = schema[secgroup.Host]{
		kind: Hosts, id: func(h *secgroup.Host) string { return h.Name },
		indexes: []index[secgroup.Host]{
			{ByUnderlay, func(h *secgroup.Host) []string {
				if h.Disabled || !h.Underlay.IsValid() {
					return nil
				}
				return []string{AnyUnderlay, h.Underlay.String()}
			}},
		},
	}

	joinTokenSchema = schema[secgroup.JoinToken]{
		kind: JoinTokens, id: func(t *secgroup.JoinToken) string { return t.ID },
		born: func(t *secgroup.JoinToken) time.Time { return t.Created },
	}
	authoritySchema = schema[secgroup.Authority]{
		kind: Authorities, id: func(a *secgroup.Authority) string { return a.ID },
		born: func(a *secgroup.Authority) time.Time { return a.Created },
	}
)

// hostedBy is what ByHost finds an instance by: terminated ones are on no host.
func hostedBy(i *secgroup.Instance) []string {
	if i.State == secgroup.Terminated {
		return nil
	}
	return []string{i.Host}
}

// Overlaid reports whether more than one host can be reached by others, so that
// it matters which of them an address is on.
func (s *Snapshot) Overlaid() bool {
	n := 0
	for range s.Hosts.By(ByUnderlay, AnyUnderlay) {
		if n++; n > 1 {
			return true
		}
	}
	return false
}
