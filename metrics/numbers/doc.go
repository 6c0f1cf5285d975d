// SPDX-License-Identifier: Apache-2.0

// Package numbers is what a host has to say in numbers: what it enforces and how
// far behind it is, every interface's packets by direction and reason, its
// connection to the servers and its certificate.
//
// A host is read when it is asked, so a scrape costs what there is. Package metrics
// shows these numbers beside a server's; an agent, which does not link the library
// of Prometheus, writes them in its text form itself. docs/metrics.md lists them.
package numbers
