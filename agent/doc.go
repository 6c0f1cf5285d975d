// SPDX-License-Identifier: Apache-2.0

// Package agent brings one host in line with what the feed says: it compiles
// the policies of the host's interfaces into the datapath, tells it who is
// behind which address, and has the instance driver make and remove instances.
//
// It holds no opinion of its own: what runs in the kernel is a function of the
// deltas so far. What cannot be brought in line is kept as it was, reported by
// Status and tried again; nothing is ever opened because something failed.
package agent
