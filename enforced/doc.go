// SPDX-License-Identifier: Apache-2.0

// Package enforced knows which revision of the store is in force on which host,
// whichever replica the host is connected to: each replica announces what its
// hosts acknowledged as one value, and reads those of the others.
//
// What it says is news, not state: it is gone with the replicas, and hosts say it
// again.
package enforced
