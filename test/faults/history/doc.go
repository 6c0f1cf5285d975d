// SPDX-License-Identifier: Apache-2.0

// Package history records what clients of an installation asked for and were told
// while its parts failed, and judges the record afterwards. It knows nothing of
// the installation: a record is judged by what its clients saw.
//
// Whatever holds at most one value (a rule's place in a group, an address of a
// subnet, a group's name in a VPC) is a key. Answers about a key are right if they
// are those of some order of the calls in which each call takes effect once,
// between when it was sent and when it was answered. That one property says that
// nothing acknowledged is lost, that nothing is handed out twice and that every
// read, at whatever replica, shows what was answered before it was asked.
package history
