// SPDX-License-Identifier: Apache-2.0

// Package join decides which machines are hosts: the authority that signs their
// certificates, the one-use tokens with which they join, and the TLS between
// servers and hosts (docs/hosts.md).
//
// A host is its certificate: an address or a name in a message never says who
// somebody is. Certificates live a day and are renewed; which of them are taken
// is what the rows of the installation say now, so a host that is disabled or
// removed is out at once and not when its certificate ends.
//
// The package has both sides, because they are one protocol: Server is the
// listener for hosts, Identity is a host. It knows neither the store nor what
// hosts are told; those come as Registry and as an http.Handler.
package join
