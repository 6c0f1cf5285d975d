// SPDX-License-Identifier: Apache-2.0

package secgroup

const (
	maxPort = 65535
	maxICMP = 255 // type and code
	all     = -1  // every port, type or code
)

// ParsePorts checks the port range (for ICMP and ICMPv6: type and code) that a
// request gives with a protocol and returns its stored form; nil stands for an
// absent one. Protocols without ports ignore whatever is given
// (docs/spec/ec2-api.md section 2.4).
func ParsePorts(p Protocol, from, to *int32) (first, last int32, err error) {
	absent := from == nil || to == nil
	switch p {
	case TCP, UDP:
		if absent {
			return 0, 0, Errorf("InvalidParameterValue", "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
		}
		return *from, *to, checkPorts(*from, *to)
	case ICMPv6:
		if from == nil && to == nil {
			return all, all, nil
		}
		fallthrough
	case ICMP:
		if absent {
			return 0, 0, Errorf("InvalidParameterValue", "Invalid value for portRange. Must specify both from and to ports with ICMP.")
		}
		return *from, *to, checkICMP(*from, *to)
	}
	return all, all, nil
}

func checkPorts(from, to int32) error {
	for _, port := range []int32{from, to} {
		if port < 0 || port > maxPort {
			return Errorf("InvalidParameterValue", "TCP/UDP port (%d) out of range", port)
		}
	}
	if from > to {
		return Errorf("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", from, to)
	}
	return nil
}

// checkICMP refuses, beside what is no type or code, a code of every type.
func checkICMP(kind, code int32) error {
	if kind < all || kind > maxICMP {
		return Errorf("InvalidParameterValue", "ICMP type (%d) out of range", kind)
	}
	if code < all || code > maxICMP || kind == all && code != all {
		return Errorf("InvalidParameterValue", "ICMP code (%d) out of range", code)
	}
	return nil
}
