// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestRevokeUnderLiveConnections changes rules under connections of both kinds
// (docs/spec/packet-semantics.md sections 2.1 and 2.5): what is tracked goes on,
// what is untracked is cut.
func TestRevokeUnderLiveConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "us-west-2", "10.5.0.0/16")
	const within = "10.5.0.0/16"
	narrow, wide, out := w.group("narrow"), w.group("wide"), w.group("out")
	for _, protocol := range []string{"tcp", "udp"} {
		w.allow(narrow, permission(protocol, 80, 80, within))
		w.allow(wide, permission(protocol, 80, 80, anywhere))
	}
	g := w.run(narrow, wide, out)
	tracked, untracked, guest := g[0], g[1], g[2]
	tracked.listen(t, 80)
	untracked.listen(t, 80)

	// The guest's own side is tracked either way: it has no ingress rule.
	kept := talk(t, guest, "tcp", tracked.ip, 80, "")
	keptUDP := talk(t, guest, "udp", tracked.ip, 80, "")
	cut := talk(t, guest, "tcp", untracked.ip, 80, "")
	cutUDP := talk(t, guest, "udp", untracked.ip, 80, "")
	check(t, "before", kept.goesOn(), keptUDP.goesOn(), cut.goesOn(), cutUDP.goesOn())

	for _, protocol := range []string{"tcp", "udp"} {
		w.revoke(narrow, permission(protocol, 80, 80, within))
		w.revoke(wide, permission(protocol, 80, 80, anywhere))
	}
	w.s.Settle(t)
	check(t, "revoked", kept.goesOn(), keptUDP.goesOn(), dropped(cut.goesOn()), dropped(cutUDP.goesOn()),
		dropped(connects(guest, "tcp", tracked.ip, 80)), dropped(connects(guest, "udp", tracked.ip, 80)),
		dropped(connects(guest, "tcp", untracked.ip, 80)), dropped(connects(guest, "udp", untracked.ip, 80)))
	check(t, "still", kept.goesOn(), keptUDP.goesOn())

	w.allow(wide, permission("tcp", 80, 80, anywhere))
	w.allow(wide, permission("udp", 80, 80, anywhere))
	w.s.Settle(t)
	check(t, "allowed again", cutUDP.goesOn(), connects(guest, "tcp", untracked.ip, 80), connects(guest, "udp", untracked.ip, 80))
}

// TestRevokeOfTheOtherDirection takes away the rule for the answers: an
// untracked connection lived by it, a tracked one does not need it.
func TestRevokeOfTheOtherDirection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "us-west-1", "10.6.0.0/16")
	narrow, wide := w.group("narrow"), w.group("wide")
	w.allow(narrow, permission("tcp", 80, 80, "10.6.0.0/16"))
	w.allow(wide, permission("tcp", 80, 80, anywhere))
	g := w.run(narrow, wide, w.group("out"))
	tracked, untracked, guest := g[0], g[1], g[2]
	tracked.listen(t, 80)
	untracked.listen(t, 80)
	kept := talk(t, guest, "tcp", tracked.ip, 80, "")
	cut := talk(t, guest, "tcp", untracked.ip, 80, "")

	everything := permission("-1", -1, -1, anywhere)
	w.revokeEgress(narrow, everything)
	w.revokeEgress(wide, everything)
	w.s.Settle(t)
	check(t, "egress revoked", kept.goesOn(), dropped(cut.goesOn()), connects(guest, "tcp", tracked.ip, 80),
		connects(guest, "tcp", untracked.ip, 80), // tracked from now on: no egress rule, no untracked flow
		dropped(connects(tracked, "tcp", guest.ip, 80)))
}

// TestSameRuleInAnotherGroup revokes a rule that a second group of the interface
// has as well: nothing changes, not even for an untracked connection.
func TestSameRuleInAnotherGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "us-east-2", "10.7.0.0/16")
	one, two := w.group("one"), w.group("two")
	w.allow(one, permission("tcp", 80, 80, anywhere))
	w.allow(two, permission("tcp", 80, 80, anywhere))
	g := w.run(one, w.group("out"))
	server, guest := g[0], g[1]
	server.listen(t, 80)
	w.join(server, one, two)
	w.s.Settle(t)
	c := talk(t, guest, "tcp", server.ip, 80, "")
	w.revoke(one, permission("tcp", 80, 80, anywhere))
	w.s.Settle(t)
	check(t, "one of two revoked", c.goesOn(), connects(guest, "tcp", server.ip, 80))
	w.join(server, one)
	w.s.Settle(t)
	check(t, "the other group left", dropped(c.goesOn()), dropped(connects(guest, "tcp", server.ip, 80)))
}
