// SPDX-License-Identifier: Apache-2.0

// Package feed says what one host needs to know, and nothing else: its
// instances, their interfaces, the rules of the groups on those interfaces, and
// the addresses of the members of the groups that those rules name.
//
// What is said depends only on the model's snapshot, never on the path to it:
// a host that is told everything anew ends up as one that followed every change
// (a test walks both). Changes that were not fetched coalesce by object.
//
// The package decides no packet and touches no kernel: that is the agent's.
package feed
