// SPDX-License-Identifier: Apache-2.0

// Package conformance is the table of docs/spec/packet-semantics.md section 7 as
// rows that a program can play, and the player. Who judges the packets is up to
// the caller: the oracle and the loaded programs play the same rows. Only tests
// import it.
//
// A row's setup and steps are clauses between semicolons, in the notation of
// section 7 and of package testworld.
//
// Setup: "A: in tcp/22 H1/32" puts the rule, and those that follow, into a group
// of A's own; "g1: …" into the group g1; "A ∈ g1,g2" sets A's groups; "W" stands
// for the base group of 7.C; "pl1 = …" is a prefix list; "T_est=60" and its like
// are settings of the interface; every change of package testworld may stand
// there too. An interface that the setup does not name is fully open.
//
// Steps:
//
//	H1:1>A:22 S ✓              a packet, and what the last gate that it met says
//	B:1>A:22 S B✓ A✗ no_rule   by gate, and the reason of the one before the word
//	+59                        seconds pass
//	revoke ofA in tcp/22 0/0   a change
//	entries 1                  what A's live entries cost
//	packets 2/1, bytes 80/40   what they have counted, ingress/egress
//	available 0, exceeded 1    of the allowance of A's instance
//	released 2 ✓               fragments that the last packet set free, and their fate
//	times 1024 A>B udp ○       the packet so many times
//	vary 99 198.18.0.1:1>A:22 S ✓  and with another source address each time
package conformance
