// SPDX-License-Identifier: Apache-2.0

// Package feed is what one host is told, and nothing else: its instances, their
// interfaces, the rules of the groups on those interfaces, and the addresses of
// the members of the groups that those rules name.
//
// It holds the words only, so that an agent links neither a store nor a model:
// feed/teller works out what to say, package agent does it, and package stream
// carries it from one to the other.
package feed
