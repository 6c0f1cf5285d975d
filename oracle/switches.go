// SPDX-License-Identifier: Apache-2.0

package oracle

import "time"

// Switches are the points at which docs/spec/packet-semantics.md improves on the
// documentation ([DEV]), decides ([DEC]) or is not sure ([UNC]), as far as they can
// be set. The zero value is what the specification says by default.
type Switches struct {
	NoRelated       bool // icmp_related=off: errors about tracked flows need a rule (3.4)
	NoPathMTU       bool // icmp_path_mtu=off: so do those about untracked ones (3.4)
	FragmentContext bool // frag_mode=context instead of reassemble (4.5)
	FragmentLimit   int  // egress fragments per second and interface; 0 is no limit (3.8)
	KeepOrphans     bool // purge_remote=off: flows outlive the owner of their remote address (2.5)
	AddressIdentity bool // peer_identity=address: who owns the remote address, not who sent (1.5)

	// ForceTracking says of a class of paths whether it forces tracking, where
	// that differs from the table of 1.6 (2.4).
	ForceTracking map[PathClass]bool

	// Until GraceUntil, TCP data that rules admit makes an ESTABLISHED entry:
	// ct_grace after a declared loss of state (3.10).
	GraceUntil time.Duration
}
