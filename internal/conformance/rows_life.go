// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"strings"
)

const three = "allowance A 3; A: in tcp/22 128.0.0.0/1; in tcp/80 0/0; OUT*"

const (
	full   = "198.18.0.1:1>A:22 S ✓; A SA ✓; 198.18.0.1 ACK ✓; 198.18.0.2:1>A:22 S ✓; A SA ✓; 198.18.0.2 ACK ✓; 198.18.0.3:1>A:22 S ✓; A SA ✓; 198.18.0.3 ACK ✓; "
	fourth = "198.18.0.4:1>A:22 S "
)

// Section 7.K, allowance. Its floods are smaller than the table says, so that
// they take no minute; what they show is the same.
var rowsK = []Row{
	{"K01", three, full + fourth + "✗ allowance; exceeded 1; available 0"},
	{"K02", three, full + "198.18.0.1:1>A:22 data ✓; 198.18.0.2:1>A:22 data ✓; 198.18.0.3:1>A:22 data ✓; H2:1>A:80 S ✓ untracked; A SA ✓; A:5>10.0.0.2:53 udp ○"},
	{"K03", three, full + "A FA ✓; 198.18.0.3 FA ✓; " + fourth + "✗; +61; " + fourth + "✓"},
	{"K04", three + "; T_est=60", full + "+60; +1; " + fourth + "✓"},
	{"K05", three, full + "+345600; " + fourth + "✗ allowance"},
	{"K06", three + "; A2: in tcp/22 128.0.0.0/1", "198.18.0.1:1>A:22 S ✓; 198.18.0.2:1>A:22 S ✓; 198.18.0.3:1>A2:22 S ✓; 198.18.0.4:1>A2:22 S ✗ allowance"},
	{"K07", "allowance A 100; A: in tcp/22 128.0.0.0/1; OUT∅", flood + "198.18.0.1:1>A:22 data ✓ tracked; 198.18.0.2:1>A:22 data ✓ tracked; 198.18.0.3:1>A:22 data ✓ tracked"},
	{"K08", "allowance A 100; A: in tcp/22 128.0.0.0/1; OUT∅", flood + fourth + "✗ allowance; +10; " + fourth + "✓"},
	{"K09", three, full + "198.51.100.1>A icmp 3/4 about=A:22>198.18.0.1:1 ✓ related"},
	{"K10", "allowance A 3; A: in all 128.0.0.0/1; OUT∅", full + "H1>A echo id=1 ✗ allowance; H1:5>A:53 udp ✗ allowance; H1>A proto 47 ✗ allowance; exceeded 3"},
	{"K11", three, "198.18.0.1:1>A:22 S ✓; available 2; +1; 198.18.0.1 S ✓; +2; 198.18.0.1 S ✓; available 2"},
	{"K13", three, full + "A FA ✓; 198.18.0.3 FA ✓; available 0; 198.18.0.3 S ✓ rule; available 0"},
}

// flood fills what three conversations leave of an allowance of 100, and more.
const flood = full + "vary 97 198.19.0.1:1>A:22 S ✓; vary 200 198.19.1.1:1>A:22 S ✗ allowance; "

// Section 7.L as far as one host shows it.
var rowsL = []Row{
	{"L04", "A ∈ g1; g1: in tcp/22 H1/32; g2: in tcp/22 H1/32; OUT*", "H1:5>A:23 S ✗; groups A g2; H1:5>A:23 S ✗; groups A g1; H1:5>A:23 S ✗"},
	{"L08", "A: no snapshot; OPEN", "H1:5>A:22 S ⊘ no_policy; A:5>H1:80 S ⊘ no_policy; A>10.0.1.1 echo id=1 ⊘ no_policy; A:5>10.0.0.2:53 udp ⊘ no_policy; " +
		"A:5>169.254.169.254:80 S ○; A@0.0.0.0:68>255.255.255.255:67 udp ○; H1>A proto 17 len=40 frag=2960 ⊘ no_policy"},
	{"L09", "A: no snapshot; OPEN", "H1:5>A:22 S ⊘ no_policy; groups A ofA; H1:5>A:22 S ✓"},
	{"L13", "A: in tcp/22 H1/32", "revoke ofA in tcp/22 H1/32; H1:5>A:22 S ✗; authorize ofA in tcp/22 H1/32; H1 S ✓"},
	{"L14", server, accepted + "purge A; H1:50000>A:22 data ✗ no_state"},
	{"L15", server, accepted + "purge A; H1:50000>A:22 data ✗ no_state; H1:50000>A:22 S ✓"},
	{"L17", server, accepted + "purge A; H1:50000>A:22 data ✗ no_state; H1:50000>A:22 S ✓"},
	{"L18", server, accepted + "purge A; switch ct_grace 30; H1:50000>A:22 data ✓ rule; A data ✓ tracked; revoke ofA in tcp/22 H1/32; H1:50001>A:22 data ✗ no_rule; " +
		"authorize ofA in tcp/22 H1/32; H1:50002>A:22 F ✗ no_state; +30; H1:50003>A:22 data ✗ no_state"},
	{"L20", "A: in tcp/22 B/32", "B:5>A:22 S ✓; A SA ✓; B ACK ✓; A R B✓"},
	{"L21", sixteenGroups(), "H1:5>A:960 S ✓ rule; H1:5>A:961 S ✗"},
	{"L22", "A: IN∅; OUT∅", "times 200 H1:5>A:22 S ✗; authorize ofA in tcp/22 H1/32; H1:5>A:22 S ✓"},
	{"L90-purge-remote-off", "switch purge_remote off; A: in tcp/22 <gB; B ∈ gB; gB: OUT*", "B:1>A:22 S ✓; A SA ✓; B ACK ✓; addresses B 10.0.1.99; addresses C 10.0.1.20; C:1>A:22 data ✓ tracked"},
}

// sixteenGroups is A in 16 groups of 60 rules, of which the last is about H1.
func sixteenGroups() string {
	names := make([]string, 16)
	var rules []string
	for i := range names {
		names[i] = fmt.Sprintf("g%d", i+1)
		rules = append(rules, names[i]+": IN∅")
		for j := range 60 {
			peer := "10.0.0.0/8"
			if i*60+j == 959 {
				peer = "H1/32"
			}
			rules = append(rules, fmt.Sprintf("in tcp/%d %s", i*60+j+1, peer))
		}
	}
	return "A ∈ " + strings.Join(names, ",") + "; " + strings.Join(rules, "; ")
}

// Section 7.M as far as it speaks of verdicts and counters.
var rowsM = []Row{
	{"M01", "A: in tcp/22 H1/32; OUT∅", accepted + "H1:50000>A:22 data ✓; A data ✓; packets 3/2"},
	{"M02", "A: IN∅", "H1:5>A:22 S ✗; +1; H1 S ✗; +2; H1 S ✗"},
	{"M03", "A: in tcp/80 0/0; OUT*", "H2:5>A:80 S ✓ untracked; A SA ✓; H2 data ✓; revoke ofA in tcp/80 0/0; H2 data ✗ no_rule"},
	{"M04", server, accepted + closed + "+61; H1 ACK ✗ no_state"},
	{"M05", "A: IN∅; B: OUT*", "B:5>A:22 S B✓ A✗"},
	{"M06", "A: OPEN; B: OUT∅", "B:5>A:22 S B✗"},
	{"M08", "A: in icmp all H1/32", "times 4 H1>A echo id=1 len=56 ✓; packets 4/0; bytes 336/0"},
	{"M13", "A: OUT*", "A@10.0.1.99:5>H1:80 S ⊘ spoof_ip"},
	{"M15", "N: check off; OPEN", "10.0.2.30:5>N@203.0.113.1:443 S ✓; N@10.0.2.30:5>203.0.113.1:443 S ✓"},
}
