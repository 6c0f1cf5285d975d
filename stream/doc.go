// SPDX-License-Identifier: Apache-2.0

// Package stream carries what hosts are told (package feed) from servers to
// agents, and what agents did from there back: one stream per host over HTTP/2,
// deltas down and acknowledgements up, and calls for reports
// (docs/design/stream.md).
//
// Server works on one replica, Client on one host. Neither knows where the words
// come from or what is done with them: a Telling and an Agent are passed in. Who
// a peer is, the connection says (package join); nothing that a peer writes is
// believed about whose it is.
package stream
