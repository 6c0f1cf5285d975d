// SPDX-License-Identifier: Apache-2.0

// Package bpfobj holds the compiled programs of datapath/bpf and the Go types
// of what they share with user space. All of it is generated, but for this file
// and the test that pins sizes; only package datapath imports it.
package bpfobj

//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package bpfobj -output-dir . -type reason -type state -type interface -type policy -type row -type step -type flow -type flow_key -type pair_key -type pair -type transit_key -type victim -type local -type tunnel_end -type remote -type stray -type allowance -type use -type owner -type public -type address -type address_key -type route_key -type class_key -type group_set -type tally -type fragment_key -type fragment -type fragment_event -type settings -type limits -type name Hedgeward ../../bpf/hedgeward.c -- -O2 -g -Wall -Werror -mcpu=v3 -I/usr/include/x86_64-linux-gnu
