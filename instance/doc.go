// SPDX-License-Identifier: Apache-2.0

// Package instance makes and removes the machines that interfaces belong to.
// Its one driver, Netns, makes an instance out of a named network namespace and
// one veth pair per interface: the host's end stays in the host's namespace,
// where programs judge every packet, and the instance's end is eth0, eth1, … in
// the namespace.
//
// The host's end has no address and the host gets no route, bridge or sysctl:
// the program on the device answers ARP and neighbour discovery and delivers the
// packets (docs/spec/packet-semantics.md section 4.2). For the same reason a
// device is never up before the caller's attach function has returned without an
// error.
//
// What the driver made it can recognise without any file: a namespace by its
// name and by the alias of its loopback device, a host device by its name and
// its alias. Everything else on the host is left alone, even under a similar
// name.
//
// The package knows no groups, no eBPF and no store. The agent calls the driver;
// the program's exec command calls Exec. All of it needs root.
package instance
