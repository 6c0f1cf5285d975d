// SPDX-License-Identifier: Apache-2.0

package bpftest

import (
	"net"
	"net/netip"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Frame is an Ethernet frame. The builders leave its MAC addresses zero, which
// stands for those that a well-behaved sender would use.
type Frame struct {
	Bytes    []byte
	Segments int // above 1: an offloaded packet of that many segments
}

// from returns the frame with MAC addresses, where it has none.
func (f Frame) from(src, dst net.HardwareAddr) Frame {
	b := append([]byte(nil), f.Bytes...)
	if [6]byte(b[0:6]) == [6]byte{} {
		copy(b[0:6], dst)
	}
	if [6]byte(b[6:12]) == [6]byte{} {
		copy(b[6:12], src)
	}
	f.Bytes = b
	return f
}

// With returns the frame with bytes replaced, from an offset on.
func (f Frame) With(offset int, b ...byte) Frame {
	f.Bytes = append([]byte(nil), f.Bytes...)
	copy(f.Bytes[offset:], b)
	return f
}

// SourceMAC returns the frame with another Ethernet source.
func (f Frame) SourceMAC(mac net.HardwareAddr) Frame { return f.With(6, mac...) }

// build serialises an IP packet in an Ethernet frame.
func build(src, dst netip.Addr, proto layers.IPProtocol, rest ...gopacket.SerializableLayer) Frame {
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer
	if src.Is4() {
		ip4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		checksumOver(rest, ip4)
		ip = ip4
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		checksumOver(rest, ip6)
		ip = ip6
	}
	return serialize(append([]gopacket.SerializableLayer{eth, ip}, rest...)...)
}

func checksumOver(rest []gopacket.SerializableLayer, ip gopacket.NetworkLayer) {
	for _, l := range rest {
		if c, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := c.SetNetworkLayerForChecksum(ip); err != nil {
				panic(err)
			}
		}
	}
}

func serialize(all ...gopacket.SerializableLayer) Frame {
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, all...); err != nil {
		panic(err)
	}
	return Frame{Bytes: buf.Bytes()}
}

// TCP returns a segment between "addr:port" ends. flags are letters of S, A, F,
// R, P, U, E (ECE) and C (CWR).
func TCP(src, dst, flags string) Frame {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	has := func(c string) bool { return strings.Contains(flags, c) }
	return build(s.Addr(), d.Addr(), layers.IPProtocolTCP, &layers.TCP{
		SrcPort: layers.TCPPort(s.Port()), DstPort: layers.TCPPort(d.Port()), Window: 1000,
		SYN: has("S"), ACK: has("A"), FIN: has("F"), RST: has("R"),
		PSH: has("P"), URG: has("U"), ECE: has("E"), CWR: has("C"),
	})
}

// UDP returns a datagram of 4 bytes.
func UDP(src, dst string) Frame {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return build(s.Addr(), d.Addr(), layers.IPProtocolUDP, &layers.UDP{
		SrcPort: layers.UDPPort(s.Port()), DstPort: layers.UDPPort(d.Port()),
	}, gopacket.Payload("ping"))
}

// ICMP returns a message of the family of its addresses, with an identifier.
func ICMP(src, dst string, typ, code uint8, id uint16) Frame {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if s.Is4() {
		return build(s, d, layers.IPProtocolICMPv4, &layers.ICMPv4{
			TypeCode: layers.CreateICMPv4TypeCode(typ, code), Id: id, Seq: 1,
		}, gopacket.Payload("0123456789abcdef"))
	}
	body := append([]byte{byte(id >> 8), byte(id), 0, 1}, "0123456789abcdef"...)
	return ICMPv6(src, dst, typ, code, body)
}

// ICMPv6 returns a message with a body of its own, hop limit 255.
func ICMPv6(src, dst string, typ, code uint8, body []byte) Frame {
	f := build(netip.MustParseAddr(src), netip.MustParseAddr(dst), layers.IPProtocolICMPv6,
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, code)}, gopacket.Payload(body))
	return f.With(14+7, 255)
}

// IP returns a packet of any protocol.
func IP(src, dst string, proto uint8, payload []byte) Frame {
	return build(netip.MustParseAddr(src), netip.MustParseAddr(dst), layers.IPProtocol(proto), gopacket.Payload(payload))
}

// Ether returns a frame of any type.
func Ether(ethertype uint16, payload []byte) Frame {
	return Frame{Bytes: append(append(make([]byte, 12), byte(ethertype>>8), byte(ethertype)), payload...)}
}

// ARP returns a request (1) or reply (2) with the given sender.
func ARP(op uint16, mac net.HardwareAddr, sender, target string) Frame {
	arp := &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
		HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: mac, SourceProtAddress: netip.MustParseAddr(sender).AsSlice(),
		DstHwAddress: make([]byte, 6), DstProtAddress: netip.MustParseAddr(target).AsSlice(),
	}
	eth := &layers.Ethernet{
		SrcMAC: make([]byte, 6), DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP,
	}
	return serialize(eth, arp)
}
