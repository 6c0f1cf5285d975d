// SPDX-License-Identifier: Apache-2.0

// Package datapath is the Go side of the firewall: it loads the programs of
// bpf/, attaches them to the host-side devices of network interfaces, and keeps
// the tables that they read (docs/spec/packet-semantics.md). bpf/README.md walks
// a packet through them.
//
// Everything lives in pinned maps and links, so that the end of this process
// changes no verdict: Open finds what an earlier process left and goes on from
// there. An interface is closed from the moment it is attached until its first
// policy. Whatever cannot be installed whole is refused, never installed in part.
//
// The package knows neither AWS nor etcd nor who decides; groups are only names
// that addresses carry and compiled policies refer to. Linux only; needs root.
package datapath
