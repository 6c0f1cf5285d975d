// SPDX-License-Identifier: Apache-2.0

// Package domain is the part of joining a directory that a network decides: it finds
// the controllers of a domain in the DNS and sees that one of them is reached on every
// port that joining needs (docs/spec/appstream.md section 3.8). It logs on nowhere, so
// it needs no password. All packets are those of the process's network namespace.
package domain
