// SPDX-License-Identifier: Apache-2.0

package flow

// Direction is seen from the instance. The zero value is Ingress.
type Direction uint8

const (
	Ingress Direction = iota // towards the instance
	Egress                   // away from the instance

	NumDirections = 2
)

// Opposite returns the other direction.
func (d Direction) Opposite() Direction { return d ^ 1 }

func (d Direction) String() string {
	if d == Egress {
		return "egress"
	}
	return "ingress"
}

// Family is an address family. Its values index tables, so the zero value is
// IPv4 and there is no unknown family: what is neither is never decoded.
type Family uint8

const (
	IPv4 Family = iota
	IPv6

	NumFamilies = 2
)

func (f Family) String() string {
	if f == IPv6 {
		return "IPv6"
	}
	return "IPv4"
}

// Verdict is what happens to a packet (docs/spec/packet-semantics.md section 0).
// The zero Verdict is Discard: a value that nobody filled in must never open an
// interface.
type Verdict uint8

const (
	Discard Verdict = iota // dropped before the groups are asked; never logged
	Reject                 // dropped by the groups
	Accept                 // delivered
	Exempt                 // delivered (or answered), groups never asked, no state
)

// Passes reports whether a packet with this verdict is delivered.
func (v Verdict) Passes() bool { return v >= Accept }

func (v Verdict) String() string {
	switch v {
	case Discard:
		return "discard"
	case Reject:
		return "reject"
	case Accept:
		return "accept"
	case Exempt:
		return "exempt"
	}
	return "invalid"
}
