// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/flow"
)

// What an error must quote to be about a flow (docs/spec/packet-semantics.md section
// 3.4).
func TestDecodeEmbedded(t *testing.T) {
	const (
		error4 = v4 + "45000000 00004000 40010000" + h1a                 // lengths are put in
		error6 = v6 + "60000000 0000 3a 40" + h6a6                       //
		quote4 = "4500 05dc 0000 4000 40060000 0a00010a cb007101 "       // A > H1, longer than what is there
		quote6 = "60000000 05b4 06 40 20010db800010001000000000000000a " // A > H6
		h6     = "20010db8ffff00000000000000000001 "
		ports  = "9c40 01bb 00000000 "
	)
	a, h1 := netip.MustParseAddr("10.0.1.10"), netip.MustParseAddr("203.0.113.1")
	a6, h6addr := netip.MustParseAddr("2001:db8:1:1::a"), netip.MustParseAddr("2001:db8:ffff::1")
	tcp4 := flow.Embedded{Is: true, Src: a, Dst: h1, Protocol: 6, SrcPort: 40000, DstPort: 443}
	tcp6 := flow.Embedded{Is: true, Src: a6, Dst: h6addr, Protocol: 6, SrcPort: 40000, DstPort: 443}
	tests := []struct {
		name, head, body string
		want             flow.Embedded
	}{
		{"fragmentation needed", error4, "0304 0000 00000578 " + quote4 + ports, tcp4},
		{"unreachable", error4, "0301 0000 00000000 " + quote4 + ports, tcp4},
		{"behind options", error4, "0301 0000 00000000 4600 05dc 0000 4000 40060000 0a00010a cb007101 01010100" + ports, tcp4},
		{"seven octets", error4, "0301 0000 00000000 " + quote4 + "9c40 01bb 000000", flow.Embedded{}},
		{"header cut", error4, "0301 0000 00000000 " + quote4[:29], flow.Embedded{}},
		{"later fragment", error4, "0301 0000 00000000 4500 05dc 0000 0010 40060000 0a00010a cb007101" + ports, flow.Embedded{}},
		{"first fragment", error4, "0301 0000 00000000 4500 05dc 0000 2000 40060000 0a00010a cb007101" + ports, tcp4},
		{"redirect", error4, "0501 0000 00000000 " + quote4 + ports, flow.Embedded{}},
		{"query", error4, "0b00 0000 00000000 4500 0054 0000 4000 40010000 0a00010a cb007101 0800 0000 0007 0001",
			flow.Embedded{Is: true, Src: a, Dst: h1, Protocol: 1, Type: 8, ID: 7}},
		{"error about an error", error4, "0301 0000 00000000 4500 0054 0000 4000 40010000 0a00010a cb007101 0301 0000 0000 0000", flow.Embedded{}},
		{"ICMPv6 in IPv4", error4, "0301 0000 00000000 4500 0054 0000 4000 403a0000 0a00010a cb007101 8000 0000 0007 0001", flow.Embedded{}},
		{"protocol without ports", error4, "0302 0000 00000000 4500 0054 0000 4000 402f0000 0a00010a cb007101 0000 0800 0000 0000",
			flow.Embedded{Is: true, Src: a, Dst: h1, Protocol: 47}},
		{"packet too big", error6, "0200 0000 00000578 " + quote6 + h6 + ports, tcp6},
		{"behind extension headers", error6, "0100 0000 00000000 60000000 05b4 00 40 20010db800010001000000000000000a " + h6 + "0600 010400000000" + ports, tcp6},
		{"chain cut", error6, "0100 0000 00000000 60000000 05b4 00 40 20010db800010001000000000000000a " + h6 + "0601 010400000000", flow.Embedded{}},
		{"IPv4 in ICMPv6", error6, "0100 0000 00000000 " + quote4 + ports + zeros(40), flow.Embedded{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := frame(t, tt.head, tt.body)
			length := len(strings.ReplaceAll(tt.body, " ", "")) / 2
			if tt.head == error4 {
				f[17] = byte(20 + length)
			} else {
				f[19] = byte(length)
			}
			p := flow.Decode(f)
			if p.Reason != flow.ReasonUnset || p.Embedded != tt.want {
				t.Errorf("Decode gives %s, %+v, want %+v", p.Reason, p.Embedded, tt.want)
			}
		})
	}
}
