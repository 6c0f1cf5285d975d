// SPDX-License-Identifier: Apache-2.0

package flow

// ICMPv6 types of neighbour discovery and multicast listener discovery, which
// the link layer handles (docs/spec/packet-semantics.md section 4.2).
const (
	MLDQuery               = 130
	MLDReport              = 131
	MLDDone                = 132
	RouterSolicitation     = 133
	RouterAdvertisement    = 134
	NeighbourSolicitation  = 135
	NeighbourAdvertisement = 136
	RedirectV6             = 137
	MLDv2Report            = 143
)

// Echo types, the queries that everybody knows.
const (
	EchoReply     = 0
	EchoRequest   = 8
	EchoRequestV6 = 128
	EchoReplyV6   = 129
)

// icmpQueries lists query and reply types; a reply answers the query of its row
// (section 3.4). The row's query type is the "query family" of the flow key.
var icmpQueries = [NumFamilies][]struct{ query, reply uint8 }{
	IPv4: {{8, 0}, {13, 14}, {15, 16}, {17, 18}, {42, 43}},
	IPv6: {{128, 129}, {139, 140}, {160, 161}},
}

// PathMTU are the errors that path-MTU discovery lives on: type and code of
// "fragmentation needed" and of "packet too big".
var PathMTU = [NumFamilies][2]uint8{IPv4: {3, 4}, IPv6: {2, 0}}

// ICMPError reports whether a message of the type quotes the packet that caused it
// (section 3.4). Redirects, which quote one too, are no errors.
func ICMPError(f Family, typ uint8) bool {
	if f == IPv4 {
		return typ == 3 || typ == 4 || typ == 11 || typ == 12
	}
	return typ >= 1 && typ <= 4
}

// ICMPQuery classifies an ICMP or ICMPv6 type: whether it is a query, whether it
// is a reply, and the type of the query in either case. All others are one-way
// messages and errors.
//
// The identifier of these messages is taken from octets 4 and 5 of the ICMP
// header. Node information messages (139, 140) carry their query type there,
// which serves as well: question and answer agree on it.
func ICMPQuery(f Family, typ uint8) (query uint8, isQuery, isReply bool) {
	for _, row := range icmpQueries[f] {
		if typ == row.query {
			return row.query, true, false
		}
		if typ == row.reply {
			return row.query, false, true
		}
	}
	return 0, false, false
}
