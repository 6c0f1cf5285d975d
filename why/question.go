// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hedgeward/hedgeward/secgroup"
)

// Question is about the first packet of a connection, as an operator words it.
type Question struct {
	Interface string // the one gate that is asked; "" for those of both ends
	From, To  string // address, interface id or instance id
	Protocol  string // tcp, udp, icmp, icmpv6 or a number
	// Port is the destination port, or of ICMP the type, with "/" and the code if
	// that is not 0. It is "" for protocols that have none.
	Port string
}

// packet is what rules look at beside the ends.
type packet struct {
	protocol uint8
	port     uint16 // as policy.Key has it
}

func (q *Question) packet() (p packet, err error) {
	protocol, err := secgroup.ParseProtocol(q.Protocol)
	if err != nil || protocol == secgroup.AllProtocols || protocol > 255 {
		return p, fmt.Errorf("%q is no protocol; say tcp, udp, icmp, icmpv6 or a number from 0 to 255", q.Protocol)
	}
	p.protocol = uint8(protocol)
	number := func(name, text string, most uint64) uint16 {
		n, e := strconv.ParseUint(text, 10, 16)
		if err == nil && (e != nil || n > most) {
			err = fmt.Errorf("%q is no %s of %s; it is a number up to %d", text, name, q.Protocol, most)
		}
		return uint16(n)
	}
	switch {
	case !protocol.HasPorts():
		if q.Port != "" {
			err = fmt.Errorf("protocol %s has no ports; leave --port out", q.Protocol)
		}
	case protocol == secgroup.TCP || protocol == secgroup.UDP:
		p.port = number("port", q.Port, 65535)
	default:
		kind, code, _ := strings.Cut(q.Port+"/0", "/")
		code, _, _ = strings.Cut(code, "/")
		p.port = number("type", kind, 255)<<8 | number("code", code, 255)
	}
	return p, err
}
