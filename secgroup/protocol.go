// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"strconv"
	"strings"
)

const maxProtocol = 255

// protocolNames are the names that a request may use, in any letter case
// (docs/spec/ec2-api.md section 2.3).
var protocolNames = map[string]Protocol{
	"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPv6, "-1": AllProtocols,
}

// ParseProtocol returns the protocol that a request names by name or number.
// The empty string stands for an absent one, which is an error: every rule says
// its protocol (docs/spec/ec2-api.md section 2.3).
func ParseProtocol(text string) (Protocol, error) {
	if text == "" {
		return 0, Errorf("InvalidParameterValue", "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly.")
	}
	if p, ok := protocolNames[strings.ToLower(text)]; ok {
		return p, nil
	}
	// One spelling per number: no sign, no leading zero, no blanks.
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxProtocol || strconv.Itoa(n) != text {
		return 0, Errorf("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", text)
	}
	return Protocol(n), nil
}
