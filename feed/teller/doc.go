// SPDX-License-Identifier: Apache-2.0

// Package teller works out from the model what each host is told (package feed).
//
// What is said depends only on the model's snapshot, never on the path to it:
// a host that is told everything anew ends up as one that followed every change
// (a test walks both). Changes that were not fetched coalesce by object.
//
// The package decides no packet and touches no kernel: that is the agent's.
package teller
