// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"encoding/binary"
	"net/netip"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/oracle"
)

// RouterMAC is the Ethernet address of the VPC router in all frames.
var RouterMAC = flow.MAC{2, 0, 0, 0, 0, 1}

var foreignMAC = flow.MAC{2, 0xff, 0xff, 0xff, 0xff, 0xff}

// Frame builds the packet's Ethernet frame. Checksums are zero: nobody verifies
// them (docs/spec/packet-semantics.md section 4.6).
func (p Packet) Frame(w *oracle.World) []byte {
	if p.Raw != nil {
		return p.Raw
	}
	src, dst := w.Interfaces[p.Gate].MAC, RouterMAC
	if p.Outside {
		src, dst = dst, src
	}
	if p.ForeignMAC {
		src = foreignMAC
	}
	build, lengthAt := ipv4Frame, 16
	if p.Src.Is6() {
		build, lengthAt = ipv6Frame, 18
	}
	b := build(src, dst, p)
	if p.Big {
		binary.BigEndian.PutUint16(b[lengthAt:], 0)
	}
	return b
}

// Arriving returns the frame as the fabric hands it to the interface.
func Arriving(frame []byte, to *oracle.Interface) []byte {
	out := append([]byte(nil), frame...)
	copy(out[0:6], to.MAC[:])
	copy(out[6:12], RouterMAC[:])
	return out
}

func ethernet(src, dst flow.MAC, etherType uint16, size int) []byte {
	b := make([]byte, 14, 14+size)
	copy(b, dst[:])
	copy(b[6:], src[:])
	binary.BigEndian.PutUint16(b[12:], etherType)
	return b
}

func ipv4Frame(src, dst flow.MAC, p Packet) []byte {
	payload := transport(p)
	h := make([]byte, 20)
	h[0] = 0x45
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	frag := p.FragOffset / 8
	if p.MoreFrags {
		frag |= 0x2000
	}
	binary.BigEndian.PutUint16(h[4:], p.Datagram)
	binary.BigEndian.PutUint16(h[6:], frag)
	h[8], h[9] = 64, p.Protocol
	copy(h[12:], p.Src.AsSlice())
	copy(h[16:], p.Dst.AsSlice())
	b := ethernet(src, dst, flow.EtherIPv4, len(h)+len(payload))
	return append(append(b, h...), payload...)
}

func ipv6Frame(src, dst flow.MAC, p Packet) []byte {
	payload, next := transport(p), p.Protocol
	if p.FragOffset > 0 || p.MoreFrags {
		h := make([]byte, 8)
		h[0], next = next, 44
		offset := p.FragOffset &^ 7
		if p.MoreFrags {
			offset |= 1
		}
		binary.BigEndian.PutUint16(h[2:], offset)
		binary.BigEndian.PutUint32(h[4:], uint32(p.Datagram))
		payload = append(h, payload...)
	}
	h := make([]byte, 40)
	h[0] = 0x60
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	h[6], h[7] = next, 64
	if p.Protocol == flow.ProtoICMPv6 {
		h[7] = 255 // neighbour discovery is believed with this only
	}
	src16, dst16 := p.Src.As16(), p.Dst.As16()
	copy(h[8:], src16[:])
	copy(h[24:], dst16[:])
	b := ethernet(src, dst, flow.EtherIPv6, len(h)+len(payload))
	return append(append(b, h...), payload...)
}

// transport builds the header and the payload, or just payload for fragments
// behind the first.
func transport(p Packet) []byte {
	if p.FragOffset > 0 {
		return make([]byte, max(p.Payload, 1))
	}
	var h []byte
	switch p.Protocol {
	case flow.ProtoTCP:
		h = make([]byte, 20)
		binary.BigEndian.PutUint16(h[0:], p.SrcPort)
		binary.BigEndian.PutUint16(h[2:], p.DstPort)
		binary.BigEndian.PutUint32(h[4:], p.Sequence)
		h[12], h[13] = 5<<4, byte(p.Flags)
		binary.BigEndian.PutUint16(h[14:], 0xffff)
	case flow.ProtoUDP:
		h = make([]byte, 8)
		binary.BigEndian.PutUint16(h[0:], p.SrcPort)
		binary.BigEndian.PutUint16(h[2:], p.DstPort)
		binary.BigEndian.PutUint16(h[4:], uint16(8+p.Payload))
	case flow.ProtoICMP, flow.ProtoICMPv6:
		h = make([]byte, 8)
		h[0], h[1] = p.Type, p.Code
		binary.BigEndian.PutUint16(h[4:], p.ID)
	default:
		h = make([]byte, 8)
	}
	if p.About != nil {
		h = append(h, p.About.octets()...)
	}
	return append(h, make([]byte, p.Payload)...)
}

// ARP builds an ARP message as the interface would send it, with the sender
// address of the caller's choice.
func ARP(e *oracle.Interface, op uint16, senderMAC flow.MAC, sender, target netip.Addr) []byte {
	b := ethernet(e.MAC, flow.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, flow.EtherARP, 28)
	b = append(b, 0, 1, 8, 0, 6, 4, byte(op>>8), byte(op))
	b = append(append(b, senderMAC[:]...), sender.AsSlice()...)
	return append(append(b, make([]byte, 6)...), target.AsSlice()...)
}

// ND builds an ICMPv6 message of neighbour or router discovery. target is put
// behind the header when it is valid.
func ND(e *oracle.Interface, typ uint8, src, dst, target netip.Addr) []byte {
	p := Packet{Src: src, Dst: dst, Protocol: flow.ProtoICMPv6, Type: typ}
	if target.IsValid() {
		p.Payload = 16
	}
	b := ipv6Frame(e.MAC, RouterMAC, p)
	if target.IsValid() {
		copy(b[len(b)-16:], target.AsSlice())
	}
	return b
}
