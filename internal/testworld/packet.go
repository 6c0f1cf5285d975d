// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/oracle"
)

// Packet is a packet in words, and the gate where it enters the world.
type Packet struct {
	Gate    string // interface that sends it, or that it reaches from outside
	Outside bool   // it comes from outside and meets the ingress gate only

	From string           // Outside: the interface from which it entered the fabric
	Via  oracle.PathClass // by what path it goes, if not the obvious one

	Src, Dst         netip.Addr
	Protocol         uint8
	SrcPort, DstPort uint16        // TCP and UDP
	Flags            flow.TCPFlags // TCP
	Type, Code       uint8         // ICMP and ICMPv6
	ID               uint16        // ICMP and ICMPv6: octets 4 and 5

	Sequence   uint32 // TCP
	Payload    int    // octets behind the transport header
	ForeignMAC bool   // the Ethernet source is not the sender's

	FragOffset uint16 // octets, a multiple of 8
	MoreFrags  bool
	Datagram   uint16 // identification of the datagram

	About   *Quote       // ICMP and ICMPv6: the packet that an error quotes
	Offload flow.Offload // what the device says of the frame
	Big     bool         // the length fields are zero: "big TCP" (section 4.6)

	Raw []byte // the whole frame; nothing above but Gate and Outside counts
}

// Decode returns what a gate knows of the packet.
func (p Packet) Decode(w *oracle.World) flow.Packet {
	return flow.DecodeOffloaded(p.Frame(w), p.Offload)
}

const flagLetters = "FSRPAUEC" // in the order of the bits

func formatFlags(f flow.TCPFlags) string {
	if f == 0 {
		return "none"
	}
	s := ""
	for i, l := range flagLetters {
		if f&(1<<i) != 0 {
			s += string(l)
		}
	}
	return s
}

// what each word that says the kind of a packet means, besides flag letters.
var packetWords = map[string]Packet{
	"none":  {Protocol: flow.ProtoTCP},
	"data":  {Protocol: flow.ProtoTCP, Flags: flow.PSH | flow.ACK, Payload: 100},
	"ACK":   {Protocol: flow.ProtoTCP, Flags: flow.ACK},
	"udp":   {Protocol: flow.ProtoUDP},
	"icmp":  {},
	"echo":  {Type: flow.EchoRequest},
	"reply": {Type: flow.EchoReply},
	"proto": {},
	"raw":   {},
}

// ParsePacket reads a packet such as
//
//	H1:50000>A:22 S                        TCP flags by letter: FSRPAUEC, none
//	A@10.0.1.99:22>[2001:db8::1]:80 SA     A sends with a source of its choice
//	10.0.1.1>A@10.0.1.10 icmp 8/0 id=7     arrives at A from outside
//	A>B udp, A>B data, A>B echo id=7, A>B reply id=7, A>B proto 47
//	A SA                                   as last, from A
//	A raw 0200…, >A raw 0200…              a frame, sent by or arriving at A
//
// followed by any of id=N, seq=N, len=N, mac=foreign, frag=OFFSET and frag=OFFSET+,
// datagram=N, about=QUOTE (see Quote), via=CLASS (see oracle.PathClass),
// from=INTERFACE, segments=N, big and vlan=meta. Words that name no interface of
// w are looked up in names.
func ParsePacket(text string, w *oracle.World, names Names, last Packet) (Packet, error) {
	p, err := parsePacket(strings.Fields(text), reader{w, names}, last)
	if err != nil {
		return p, fmt.Errorf("read packet %q: %w", text, err)
	}
	return p, nil
}

func parsePacket(words []string, in reader, last Packet) (Packet, error) {
	if len(words) < 2 {
		return Packet{}, fmt.Errorf("want ends and a kind")
	}
	ends, kind, rest := words[0], words[1], words[2:]
	if kind == "raw" {
		if len(rest) != 1 {
			return Packet{}, fmt.Errorf("want one word of hexadecimal")
		}
		gate, outside := strings.CutPrefix(ends, ">")
		b, err := hex.DecodeString(rest[0])
		return Packet{Gate: gate, Outside: outside, Raw: b}, err
	}
	p, known := packetWords[kind]
	if !known {
		p.Protocol = flow.ProtoTCP
		for _, l := range kind {
			i := strings.IndexRune(flagLetters, l)
			if i < 0 {
				return p, fmt.Errorf("%q is neither a kind of packet nor TCP flags", kind)
			}
			p.Flags |= 1 << i
		}
	}
	var err error
	if strings.Contains(ends, ">") {
		err = in.ends(&p, ends)
	} else {
		err = in.again(&p, ends, last)
	}
	if err != nil {
		return p, err
	}
	v6 := p.Src.Is6()
	switch kind {
	case "icmp", "echo", "reply":
		p.Protocol = flow.ProtoICMP
		if v6 {
			p.Protocol = flow.ProtoICMPv6
			p.Type = map[string]uint8{"echo": flow.EchoRequestV6, "reply": flow.EchoReplyV6}[kind]
		}
	}
	if kind == "icmp" || kind == "proto" {
		if len(rest) == 0 {
			return p, fmt.Errorf("%s wants a number", kind)
		}
		if kind == "proto" {
			p.Protocol, err = number[uint8](rest[0])
		} else {
			t, c, _ := strings.Cut(rest[0], "/")
			if p.Type, err = number[uint8](t); err == nil {
				p.Code, err = number[uint8](c)
			}
		}
		if err != nil {
			return p, err
		}
		rest = rest[1:]
	}
	for _, opt := range rest {
		if err := in.option(&p, opt); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (in reader) option(p *Packet, opt string) (err error) {
	name, value, _ := strings.Cut(opt, "=")
	switch name {
	case "id":
		p.ID, err = number[uint16](value)
	case "seq":
		var n uint64
		n, err = strconv.ParseUint(value, 10, 32)
		p.Sequence = uint32(n)
	case "len":
		p.Payload, err = strconv.Atoi(value)
	case "mac":
		p.ForeignMAC = value == "foreign"
	case "frag":
		value, p.MoreFrags = strings.CutSuffix(value, "+")
		p.FragOffset, err = number[uint16](value)
	case "datagram":
		p.Datagram, err = number[uint16](value)
	case "about":
		p.About, err = in.quote(value)
	case "via":
		var known bool
		if p.Via, known = oracle.ParsePathClass(value); !known {
			err = fmt.Errorf("%q is no class of paths", value)
		}
	case "from":
		p.From, p.Outside = value, true
		if in.w.Interfaces[value] == nil {
			err = fmt.Errorf("there is no interface %s", value)
		}
		if to := in.named(p.Dst); to != "" {
			p.Gate = to
		}
	case "segments":
		p.Offload.Segments, err = strconv.Atoi(value)
	case "big":
		p.Big = true
	case "vlan":
		p.Offload.VLAN = value == "meta"
	default:
		err = fmt.Errorf("unknown option %q", opt)
	}
	return err
}

// reader resolves the words of packets.
type reader struct {
	w     *oracle.World
	names Names
}

// end reads [GATE@]ADDRESS[:PORT].
func (in reader) end(s string) (gate string, a netip.Addr, port uint16, err error) {
	if g, rest, ok := strings.Cut(s, "@"); ok {
		gate, s = g, rest
	}
	addr := s
	if strings.HasPrefix(s, "[") || strings.Count(s, ":") == 1 {
		i := strings.LastIndex(s, ":")
		num := s[i+1:]
		if strings.HasSuffix(s, "]") {
			i, num = len(s), "0"
		}
		addr = strings.Trim(s[:i], "[]")
		if port, err = number[uint16](num); err != nil {
			return
		}
	}
	if e := in.w.Interfaces[addr]; e != nil {
		if gate == "" {
			gate = addr
		}
		a = e.Addresses[0].Addr()
		return
	}
	// NAME6 is the first IPv6 address of NAME.
	if e := in.w.Interfaces[strings.TrimSuffix(addr, "6")]; e != nil {
		for _, own := range e.Addresses {
			if own.Addr().Is6() {
				if gate == "" {
					gate = e.Name
				}
				return gate, own.Addr(), port, nil
			}
		}
	}
	a, err = in.names.addr(addr)
	return
}

func (in reader) ends(p *Packet, s string) error {
	src, dst, _ := strings.Cut(s, ">")
	from, a, sport, err := in.end(src)
	if err != nil {
		return err
	}
	to, b, dport, err := in.end(dst)
	if err != nil {
		return err
	}
	p.Src, p.SrcPort, p.Dst, p.DstPort = a, sport, b, dport
	return in.gate(p, from, to)
}

// again takes the ends of the last packet, oriented from who.
func (in reader) again(p *Packet, who string, last Packet) error {
	_, a, _, err := in.end(who)
	if err != nil {
		return err
	}
	p.Src, p.SrcPort, p.Dst, p.DstPort, p.ID = last.Src, last.SrcPort, last.Dst, last.DstPort, last.ID
	p.Via = last.Via
	switch a {
	case last.Src:
	case last.Dst:
		p.Src, p.SrcPort, p.Dst, p.DstPort = last.Dst, last.DstPort, last.Src, last.SrcPort
	default:
		return fmt.Errorf("%s is no end of the last packet", who)
	}
	return in.gate(p, in.named(p.Src), in.named(p.Dst))
}

// named returns the interface that owns the address, in whatever VPC.
func (in reader) named(a netip.Addr) string {
	for name, e := range in.w.Interfaces {
		if in.w.Owner(e.VPC, a) == e {
			return name
		}
	}
	return ""
}

func (in reader) gate(p *Packet, from, to string) error {
	if from == "" {
		if to == "" {
			to = in.named(p.Dst)
		}
		p.Gate, p.Outside = to, true
	} else {
		p.Gate = from
	}
	if in.w.Interfaces[p.Gate] == nil {
		return fmt.Errorf("the packet meets no interface (write NAME@ADDRESS)")
	}
	return nil
}

// String returns the packet as ParsePacket reads it, with nothing left to infer.
func (p Packet) String() string {
	if p.Raw != nil {
		arrow := ""
		if p.Outside {
			arrow = ">"
		}
		return fmt.Sprintf("%s%s raw %x", arrow, p.Gate, p.Raw)
	}
	end := func(a netip.Addr, port uint16) string {
		if p.Protocol == flow.ProtoTCP || p.Protocol == flow.ProtoUDP {
			return netip.AddrPortFrom(a, port).String()
		}
		return a.String()
	}
	src, dst := end(p.Src, p.SrcPort), end(p.Dst, p.DstPort)
	if p.Outside {
		dst = p.Gate + "@" + dst
	} else {
		src = p.Gate + "@" + src
	}
	s := src + ">" + dst + " "
	switch p.Protocol {
	case flow.ProtoTCP:
		s += formatFlags(p.Flags)
	case flow.ProtoUDP:
		s += "udp"
	case flow.ProtoICMP, flow.ProtoICMPv6:
		if (p.Protocol == flow.ProtoICMP) == p.Src.Is4() {
			s += fmt.Sprintf("icmp %d/%d id=%d", p.Type, p.Code, p.ID)
			break
		}
		fallthrough
	default:
		s += fmt.Sprintf("proto %d", p.Protocol)
	}
	if p.Sequence > 0 {
		s += fmt.Sprintf(" seq=%d", p.Sequence)
	}
	if p.Payload > 0 {
		s += fmt.Sprintf(" len=%d", p.Payload)
	}
	if p.ForeignMAC {
		s += " mac=foreign"
	}
	if p.FragOffset > 0 || p.MoreFrags {
		s += fmt.Sprintf(" frag=%d", p.FragOffset)
		if p.MoreFrags {
			s += "+"
		}
	}
	if p.Datagram > 0 {
		s += fmt.Sprintf(" datagram=%d", p.Datagram)
	}
	if p.About != nil {
		s += " about=" + p.About.String()
	}
	if p.Via != oracle.Direct {
		s += " via=" + p.Via.String()
	}
	if p.From != "" {
		s += " from=" + p.From
	}
	if p.Offload.Segments > 0 {
		s += fmt.Sprintf(" segments=%d", p.Offload.Segments)
	}
	if p.Big {
		s += " big"
	}
	if p.Offload.VLAN {
		s += " vlan=meta"
	}
	return s
}
