// SPDX-License-Identifier: Apache-2.0

// Package services answers instances at the addresses that groups never filter
// (docs/spec/packet-semantics.md section 4.1): names, metadata and time. Who asks
// is known by where a packet comes from, which the datapath sees to; what is
// answered is what the host was told of its instances (package feed). It opens
// sockets in a namespace of its own and never speaks for one instance to another.
package services
