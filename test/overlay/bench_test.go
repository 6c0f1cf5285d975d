// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

// plain is two namespaces on two hosts with a VXLAN device each and nothing that
// judges: what the kernel does by itself.
func plain(b *testing.B) (client, server *testnet.NS) {
	b.Helper()
	wire := [2]*testnet.NS{testnet.New(b), testnet.New(b)}
	testnet.Pair(b, testnet.End{NS: wire[0], Name: "under0", Addresses: []string{"192.0.2.1/24"}}, testnet.End{NS: wire[1], Name: "under0", Addresses: []string{"192.0.2.2/24"}})
	inside := [2]*testnet.NS{testnet.New(b), testnet.New(b)}
	for n, host := range wire {
		addr := []string{"10.0.0.10/24", "10.0.0.20/24"}[n]
		testnet.Pair(b, testnet.End{NS: host, Name: "veth0"}, testnet.End{NS: inside[n], Name: "eth0", Addresses: []string{addr}})
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "vxlan0"
		if err := host.Link.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 7, Port: 4789, Learning: true, Group: net.ParseIP([]string{"192.0.2.2", "192.0.2.1"}[n])}); err != nil {
			b.Fatal(err)
		}
		host.Up(b, "vxlan0")
		host.Bridge(b, "br0", "veth0", "vxlan0")
		if err := inside[n].Link.LinkSetMTU(inside[n].Device(b, "eth0"), 1450); err != nil {
			b.Fatal(err)
		}
	}
	return inside[0], inside[1]
}

// BenchmarkBetweenHosts compares with the kernel's own VXLAN: one request and its
// answer, and bulk.
func BenchmarkBetweenHosts(b *testing.B) {
	for _, c := range []struct {
		name string
		make func(b *testing.B) (client, server *testnet.NS)
	}{
		{"plain", plain},
		{"hedgeward", func(b *testing.B) (client, server *testnet.NS) {
			w := populate(b, install(b, twoHosts))
			return w.inside["red/web"], w.inside["red/db"]
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			client, server := c.make(b)
			to := server.ServeTCP(b, "10.0.0.20:5000")
			if err := client.TCP(to, patience); err != nil {
				b.Fatal(err)
			}
			b.Run("request", func(b *testing.B) {
				conn := connect(b, client, to)
				one := make([]byte, 1)
				for b.Loop() {
					if _, err := conn.Write(one); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(conn, one); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("connect", func(b *testing.B) {
				for b.Loop() {
					connect(b, client, to).Close()
				}
			})
			b.Run("bulk", func(b *testing.B) { // there and back
				conn := connect(b, client, to)
				chunk := make([]byte, 1<<20)
				b.SetBytes(2 << 20)
				for b.Loop() {
					go conn.Write(chunk)
					if _, err := io.ReadFull(conn, make([]byte, len(chunk))); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func connect(b *testing.B, client *testnet.NS, to netip.AddrPort) net.Conn {
	b.Helper()
	conn, err := client.Dial("tcp", netip.AddrPort{}, to, patience)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}
