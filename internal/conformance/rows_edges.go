// SPDX-License-Identifier: Apache-2.0

package conformance

const shut = "A: IN∅; OUT∅"

// Section 7.H, exempt traffic, link layer, multicast. Its link layer is in
// headers.go.
var rowsH = []Row{
	{"H01", shut, "A:5>10.0.0.2:53 udp ○; 10.0.0.2:53>A:5 udp ○; A:5>10.0.0.2:53 S ○; 10.0.0.2:53>A:5 SA ○; A:5>169.254.169.253:53 udp ○; 169.254.169.253:53>A:5 udp ○; " +
		"A:5>169.254.169.253:53 S ○; A6:5>[fd00:ec2::253]:53 udp ○; [fd00:ec2::253]:53>A6:5 udp ○; A6:5>[fd00:ec2::253]:53 S ○; entries 0"},
	{"H02", shut, "A:5000>10.0.1.20:53 udp ✗"},
	{"H03", "block V1 10.8.0.0/16; " + shut, "A:5>10.8.0.2:53 udp ✗ no_rule; A:5>10.0.0.2:53 udp ○"},
	{"H04", shut, "A:5>169.254.169.254:80 S ○; 169.254.169.254:80>A:5 SA ○; A6:5>[fd00:ec2::254]:80 S ○; [fd00:ec2::254]:80>A6:5 SA ○"},
	{"H05", shut, "A:5000>169.254.169.254:8080 S ⊘ linklocal; A>169.254.169.254 echo id=1 ⊘ linklocal; A:5>169.254.169.254:80 udp ⊘ linklocal"},
	{"H06", shut, "A:5>169.254.170.2:80 S ○; A:5>169.254.169.250:1688 S ○; A:5>169.254.169.251:1688 S ○; A:5>169.254.169.123:123 udp ○; A6:5>[fd00:ec2::123]:123 udp ○; entries 0"},
	{"H07", shut, "A@0.0.0.0:68>255.255.255.255:67 udp ○; 10.0.1.1:67>A@255.255.255.255:68 udp ○; A:68>10.0.1.1:67 udp ○; 10.0.1.1:67>A:68 udp ○"},
	{"H08", "A: OPEN", "A:67>255.255.255.255:68 udp ⊘ broadcast; A6:547>[ff02::1]:546 udp ⊘ multicast"},
	{"H09", "A: OPEN", "A:67>B:68 udp A✓ B✓"},
	{"H10", shut, "A@[fe80::ff:fe00:a]:546>[ff02::1:2]:547 udp ○; [fe80:ec2::1]:547>A@[fe80::ff:fe00:a]:546 udp ○"},
	{"H11", shut, "A>10.0.1.1 echo id=1 ○ answered; 10.0.1.1>A reply id=1 ○; A6>[2001:db8:1:1::1] echo id=1 ○ answered"},
	{"H16", "A: OPEN", "A:5>10.0.1.255:9 udp ⊘ broadcast; A:5>10.0.2.255:9 udp ⊘ broadcast; A:5>255.255.255.255:9 udp ⊘ broadcast"},
	{"H17", "A: OPEN", "A:5>239.1.1.1:9 udp ⊘ multicast; A6:5>[ff05::9]:9 udp ⊘ multicast"},
	{"H18", "multicast V1 on; A: in udp/5000 B/32", "10.0.1.20:9>A@239.1.1.1:5000 udp from=B ✓ rule; entries 0; 10.0.1.30:9>A@239.1.1.1:5000 udp ✗"},
	{"H19", "multicast V1 on; A: in udp/5000 <gB; B ∈ gB; gB: OUT*", "10.0.1.20:9>A@239.1.1.1:5000 udp from=B ✗ no_rule"},
	{"H20", "multicast V1 on; A: in proto 2 0.0.0.0/32", "0.0.0.0>A@224.0.0.1 proto 2 ✓; revoke ofA in proto 2 0.0.0.0/32; 0.0.0.0>A@224.0.0.1 proto 2 ✗"},
	{"H21", shut, "times 1024 A:5>10.0.0.2:53 udp ○; A:5>10.0.0.2:53 udp ⊘ linklocal_allowance; A:5>169.254.169.254:80 S ⊘ linklocal_allowance; " +
		"A:5>169.254.170.2:80 S ○; +1; A:5>10.0.0.2:53 udp ○"},
	{"H23", "A: OPEN", "H1:5>A:80 S vlan=meta ⊘ ethertype"},
	{"H24", "B: OPEN; A: in all 0/0", "B@169.254.169.254:80>A:80 S B⊘ spoof_ip"},
	{"H25", shut, "A:5>10.0.0.2:53 udp ○; A:5>169.254.169.254:80 S ○; A:5>169.254.169.123:123 udp ○; A:68>10.0.1.1:67 udp ○; A>10.0.1.1 echo id=1 ○; entries 0; packets 0/0"},
	// What section 4 says and 7.H does not show.
	{"H90-services-are-not-forwarded", "A: OPEN; N: check off; OPEN", "N@169.254.169.253:53>A:5 udp N⊘ spoof_ip; 169.254.169.253:54>A:5 udp ⊘ linklocal; 10.0.0.2:54>A:5 udp ⊘ spoof_ip"},
	{"H91-resolver-is-ordinary-otherwise", shut, "A:5>10.0.0.2:80 S ✗ no_rule; A>10.0.0.2 echo id=1 ✗ no_rule"},
	{"H92-router-of-another-subnet", "N: check off; OPEN; A: OPEN", "N@10.0.2.1:5>A:80 S N⊘ spoof_ip; N@10.0.0.2:5>A:80 S N⊘ spoof_ip; N@[2001:db8:1:1::1]:5>A6:80 S N⊘ spoof_ip"},
	{"H93-dhcp-elsewhere", "A: OUT*", "A@0.0.0.0:68>8.8.8.8:67 udp ⊘; A:68>B:67 udp A✓"},
	{"H94-link-local-leads-nowhere", "A: OPEN", "A6:5>[fe80::b]:80 S ⊘ linklocal"},
}

const (
	dns  = "A: in udp/53 H1/32; OUT∅"
	one  = "H1:5>A:53 udp len=1472 frag=0+ datagram=7"
	two  = "H1>A proto 17 len=1480 frag=1480+ datagram=7"
	last = "H1>A proto 17 len=40 frag=2960 datagram=7"
)

// Section 7.I, fragments. Its headers are in headers.go. frag=0+ is a first
// fragment, whose payload follows the transport header.
var rowsI = []Row{
	{"I01", dns, one + " ✓ rule; " + two + " ✓; " + last + " ✓; entries 1; packets 3/0; bytes 3060/0"},
	{"I02", dns, two + " ⊘ frag_held; " + last + " ⊘ frag_held; " + one + " ✓ rule; released 2 ✓; entries 1; packets 3/0"},
	{"I03", "switch frag_mode context; " + dns, two + " ✗ frag_no_context; " + one + " ✓; " + last + " ✓"},
	{"I04", "switch frag_mode context; A: in udp/0-65535 H1/32", two + " ✓; " + one + " ✓; " + last + " ✓"},
	{"I05", dns, "H1:5>A:54 udp len=1472 frag=0+ datagram=7 ✗ no_rule; " + two + " ✗ no_rule; " + last + " ✗"},
	{"I09", "A: in icmp 8/-1 H1/32", "H1>A echo id=1 len=1472 frag=0+ datagram=7 ✓; H1>A proto 1 len=2 frag=1480 datagram=7 ✓"},
	{"I11", dns, one + " ✓; H2:5>A:53 udp len=1472 frag=0+ datagram=7 ✗; " + two + " ✓; H2>A proto 17 len=1480 frag=1480+ datagram=7 ✗; " +
		last + " ✓; H2>A proto 17 len=40 frag=2960 datagram=7 ✗"},
	{"I12", "switch frag_mode context; " + dns, one + " ✓; +31; " + two + " ✗ frag_no_context"},
	{"I08", "A: OPEN", "H6:5>A6:9 udp len=72 frag=0+ datagram=7 ✓; H6>A6 proto 17 len=80 frag=72+ datagram=7 ⊘ frag_overlap; H6>A6 proto 17 len=8 frag=160 datagram=7 ⊘ frag_overlap"},
	{"I23", "A: in tcp/22 H1/32; OUT∅", "H1:5>A:22 S ✓; A SA ✓; H1:5>A:22 data len=2896 segments=2 ✓; packets 3/1; bytes 3016/40"},
	{"I24", "A: in tcp/22 H6/128; OUT∅", "H6:5>A6:22 S ✓; H6:5>A6:22 data len=2896 segments=2 big ✓ tracked"},
	{"I25", "A: OPEN", "A:5>A:6 S ⊘ martian"},
	{"I90-ipv4-overlap", "A: OPEN", "H1:5>A:9 udp len=72 frag=0+ datagram=7 ✓; H1>A proto 17 len=80 frag=72+ datagram=7 ⊘ frag_overlap; " +
		"H1>A proto 17 len=8 frag=160 datagram=7 ⊘ frag_overlap; H1>A proto 17 len=8 frag=160 datagram=8 ⊘ frag_held"},
	{"I91-ipv4-overlap-context", "switch frag_mode context; A: OPEN", "H1:5>A:9 udp len=72 frag=0+ datagram=7 ✓; H1>A proto 17 len=80 frag=72+ datagram=7 ✓"},
	{"I92-ipv6-overlap-context", "switch frag_mode context; A: OPEN", "H6:5>A6:9 udp len=72 frag=0+ datagram=7 ✓; H6>A6 proto 17 len=80 frag=72+ datagram=7 ⊘ frag_overlap"},
	{"I93-identification-comes-again", dns, one + " ✓; " + two + " ✓; " + last + " ✓; " + one + " ✓ tracked; " + two + " ✓; " + one + " ⊘ frag_overlap; " + last + " ⊘ frag_overlap; +30; " + one + " ✓ rule"},
	{"I94-out-of-order-denied", dns, two + " ⊘ frag_held; H1:5>A:54 udp len=1472 frag=0+ datagram=7 ✗; released 1 ✗ no_rule"},
	{"I95-held-too-long", dns, two + " ⊘ frag_held; +30; " + one + " ✓; released 0"},
	{"I96-impossible", "A: OPEN", "H1>A proto 47 len=7 frag=0+ ⊘ malformed; H1>A proto 17 len=7 frag=1480+ ⊘ malformed; H1>A proto 17 len=64 frag=65528 ⊘ malformed"},
	{"I97-egress-and-two-gates", "A: OPEN; B: OPEN", "A>B proto 17 len=40 frag=1480 datagram=7 A⊘ frag_held; A:5>B:9 udp len=1472 frag=0+ datagram=7 A✓ B✓; released 1 B✓"},
	{"I98-egress-limit", "switch frag_limit 3; A: OPEN", "A:5>H1:9 udp len=72 frag=0+ datagram=7 ✓; A>H1 proto 17 len=80 frag=80+ datagram=7 ✓; A>H1 proto 17 len=80 frag=160+ datagram=7 ✓; " +
		"A>H1 proto 17 len=80 frag=240 datagram=7 ⊘ frag_allowance; H1:5>A:9 udp len=72 frag=0+ datagram=7 ✓; +1; A>H1 proto 17 len=80 frag=240 datagram=7 ✓"},
	{"I99-fragments-to-services", shut, "A:5>10.0.0.2:53 udp len=72 frag=0+ datagram=7 ○; A>10.0.0.2 proto 17 len=80 frag=80 datagram=7 ○; A>169.254.9.9 proto 17 len=80 frag=80 ⊘ linklocal; " +
		"169.254.169.253:53>A:5 udp len=72 frag=0+ datagram=7 ○; 169.254.169.253>A proto 17 len=80 frag=80 datagram=7 ○; entries 0"},
	{"I88-later-fragments-follow-a-change", dns, one + " ✓; revoke ofA in udp/53 H1/32; " + two + " ✓; +30; " + two + " ⊘ frag_held"},
	{"I89-later-fragments-keep-nothing-alive", dns, one + " ✓; revoke ofA in udp/53 H1/32; +29; " + two + " ✓; +1; H1:5>A:53 udp ✗ no_rule"},
}

// Section 7.J, anti-spoofing.
var rowsJ = []Row{
	{"J01", "A: OUT*", "A@10.0.1.99:5>H1:80 S ⊘ spoof_ip"},
	{"J02", "A: OUT*", "A@10.0.1.11:5>H1:80 S ✓; A@10.0.1.70:5>H1:80 S ✓"},
	{"J03", "A: OUT*", "A:5>H1:80 S mac=foreign ⊘ spoof_mac"},
	{"J04", "A: check off; OUT*", "A@192.168.5.5:5>H1:80 S ✓; A@192.168.5.5:5>H1:80 S mac=foreign ⊘ spoof_mac"},
	{"J05", "A: OPEN", "H1:5>A@8.8.8.8:53 udp ⊘ not_mine"},
	{"J06", "N: check off; in all 10.0.0.0/16; OUT*", "10.0.2.30:5>N@8.8.8.8:53 udp ✓"},
	{"J07", "A: check off; in tcp/443 10.0.0.0/16; out tcp/443 0/0",
		"10.0.2.30:5>A@203.0.113.1:443 S ✓; A@10.0.2.30:5>203.0.113.1:443 S ✓; " +
			"203.0.113.1:443>A@10.0.2.30:5 SA ✓; A@203.0.113.1:443>10.0.2.30:5 SA ✓; entries 2"},
	{"J08", "N: check off; IN∅", "10.0.2.30:5>N@203.0.113.1:443 S ✗"},
	{"J09", "A: check off; in tcp/443 10.0.0.0/16; out tcp/443 0/0",
		"10.0.2.30:5>A@203.0.113.1:443 S ✓; check A on; 10.0.2.30:5>A@203.0.113.1:443 data ⊘ not_mine"},
	{"J10", "A: OUT*", "A@[2001:db8:1:1::99]:5>H6:80 S ⊘ spoof_ip; A@[fe80::a]:5>H6:80 S ⊘ spoof_ip"},
	{"J12", "A: in tcp/22 H1/32", "H1:5>10.0.1.11:22 S ✓; addresses A 10.0.1.10; A@10.0.1.11:22>203.0.113.1:5 SA ⊘; 203.0.113.1:5>A@10.0.1.11:22 data ⊘; " +
		"addresses A 10.0.1.10,10.0.1.11; 203.0.113.1:5>A@10.0.1.11:22 data ✗ no_state"},
}
