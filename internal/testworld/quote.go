// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/hedgeward/hedgeward/flow"
)

// Quote is the packet that an ICMP error is about (section 3.4). Its text is
// SRC>DST with ports for TCP and UDP, and further words after commas:
//
//	A:40000>H1:443              TCP
//	A:5000>H1:33434,udp
//	A>H1,proto=47
//	A>H1,proto=1,type=8,id=7    an ICMP query, in short: echo=7
//	A>H1,error                  another error message
//	A:1>H1:2,octets=4           so many octets of the transport header; 8 if not said
//	A:1>H1:2,later              not the first fragment of its datagram
//	A:1>H1:2,options            IPv4 options, or an IPv6 extension header, before it
type Quote struct {
	Src, Dst         netip.Addr
	Protocol         uint8
	SrcPort, DstPort uint16
	Type             uint8
	ID               uint16
	Octets           int
	Later, Options   bool
}

func (in reader) quote(text string) (*Quote, error) {
	words := strings.Split(text, ",")
	src, dst, ok := strings.Cut(words[0], ">")
	if !ok {
		return nil, fmt.Errorf("%q has no ends", words[0])
	}
	q := &Quote{Protocol: flow.ProtoTCP, Octets: 8}
	var err error
	if _, q.Src, q.SrcPort, err = in.end(src); err != nil {
		return nil, err
	}
	if _, q.Dst, q.DstPort, err = in.end(dst); err != nil {
		return nil, err
	}
	for _, word := range words[1:] {
		if err := q.word(word); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *Quote) icmp(v4, v6 uint8) {
	q.Protocol, q.Type = flow.ProtoICMP, v4
	if q.Src.Is6() {
		q.Protocol, q.Type = flow.ProtoICMPv6, v6
	}
}

func (q *Quote) word(word string) (err error) {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "udp":
		q.Protocol = flow.ProtoUDP
	case "echo":
		q.icmp(flow.EchoRequest, flow.EchoRequestV6)
		q.ID, err = number[uint16](value)
	case "error":
		q.icmp(3, 1)
	case "proto":
		q.Protocol, err = number[uint8](value)
	case "type":
		q.Type, err = number[uint8](value)
	case "id":
		q.ID, err = number[uint16](value)
	case "octets":
		q.Octets, err = number[int](value)
	case "later":
		q.Later = true
	case "options":
		q.Options = true
	default:
		err = fmt.Errorf("unknown word %q in a quotation", word)
	}
	return err
}

// String returns the quotation as ParsePacket reads it.
func (q *Quote) String() string {
	var s string
	switch q.Protocol {
	case flow.ProtoTCP, flow.ProtoUDP:
		s = netip.AddrPortFrom(q.Src, q.SrcPort).String() + ">" + netip.AddrPortFrom(q.Dst, q.DstPort).String()
		if q.Protocol == flow.ProtoUDP {
			s += ",udp"
		}
	default:
		s = fmt.Sprintf("%s>%s,proto=%d", q.Src, q.Dst, q.Protocol)
		if q.Protocol == flow.ProtoICMP || q.Protocol == flow.ProtoICMPv6 {
			s += fmt.Sprintf(",type=%d,id=%d", q.Type, q.ID)
		}
	}
	if q.Octets != 8 {
		s += fmt.Sprintf(",octets=%d", q.Octets)
	}
	if q.Later {
		s += ",later"
	}
	if q.Options {
		s += ",options"
	}
	return s
}

// octets returns the start of the quoted packet as an error message carries it.
func (q *Quote) octets() []byte {
	p := Packet{
		Src: q.Src, Dst: q.Dst, Protocol: q.Protocol, SrcPort: q.SrcPort, DstPort: q.DstPort, Type: q.Type, ID: q.ID,
		Flags: flow.ACK, Payload: 32,
	}
	if q.Later {
		p.FragOffset = 64
	}
	header := 20
	b := ipv4Frame
	if q.Src.Is6() {
		b, header = ipv6Frame, 40
		if q.Later {
			header += 8
		}
	}
	frame := b(flow.MAC{}, flow.MAC{}, p)
	if q.Options {
		frame, header = withOptions(frame, header)
	}
	return frame[14 : 14+header+min(q.Octets, len(frame)-14-header)]
}

// withOptions puts four octets of IPv4 options, or a header of destination
// options, behind the fixed header.
func withOptions(frame []byte, header int) ([]byte, int) {
	if frame[14]>>4 == 4 {
		frame = append(frame[:34:34], append([]byte{1, 1, 1, 0}, frame[34:]...)...)
		frame[14]++
		return frame, header + 4
	}
	frame = append(frame[:54:54], append([]byte{frame[20], 0, 1, 4, 0, 0, 0, 0}, frame[54:]...)...)
	frame[20] = 60
	return frame, header + 8
}
