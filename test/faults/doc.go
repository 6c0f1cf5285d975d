// SPDX-License-Identifier: Apache-2.0

// Package faults runs an installation of several servers, hosts and etcd members,
// each in a network namespace of its own on one wire, makes its parts fail while
// clients work and packets flow, and judges what clients and instances saw
// (package history). It never looks into the store or a process: it knows what
// users know. `make faults` runs it long, `make test` short.
package faults
