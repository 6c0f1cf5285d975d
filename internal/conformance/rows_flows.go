// SPDX-License-Identifier: Apache-2.0

package conformance

// Openings of the TCP rows.
const (
	server = "A: in tcp/22 H1/32; OUT∅"
	client = "A: IN∅; out tcp/443 H1/32"

	accepted  = "H1:50000>A:22 S ✓; A SA ✓; H1 ACK ✓; "
	connected = "A:40000>H1:443 S ✓; H1 SA ✓; A ACK ✓; "
	closed    = "A FA ✓; H1 ACK ✓; H1 FA ✓; A ACK ✓; "
)

// Section 7.D, TCP.
var rowsD = []Row{
	{"D01", server, accepted + "H1 data ✓; A data ✓; H1 FA ✓; A ACK ✓; A FA ✓; H1 ACK ✓; +59; H1 ACK ✓; +2; H1 ACK ✗ no_state"},
	{"D02", server, "H1:50000>A:22 ACK ✗ no_state"},
	{"D03", "A: W", "H2:1>A:80 ACK ✓; A R ✓"},
	{"D04", client, connected + "H1 data ✓"},
	{"D05", client + "; T_est=350", connected + "+351; A data ✗ no_state"},
	{"D06", client + "; T_est=350", connected + "+351; A data ✗; A:40001>H1:443 S ✓"},
	{"D07", client + "; T_est=350", connected + "+300; A ACK ✓; +300; H1 ACK ✓; +300; A ACK ✓; +300; A ACK ✓"},
	{"D08", server + "; T_est=60", accepted + "+59; H1 data ✓; +59; H1 data ✓; +60; H1 data ✗"},
	{"D09", "A: IN∅; out tcp/0-65535 H1/32", "A:22>H1:50000 SA ✓; H1 ACK ✓"},
	{"D10", "A: IN∅; OUT∅", "H1:443>A:40000 SA ✗ no_rule"},
	{"D11", "A: in tcp/1024-65535 H1/32; OUT∅", "H1:443>A:40000 SA ✓; A ACK ✓"},
	{"D12", "A: IN∅; out tcp/6000 H1/32", "A:5000>H1:6000 S ✓; H1 S ✓; A SA ✓; H1 SA ✓; A data ✓; H1 data ✓"},
	{"D13", "A: IN∅; out tcp/6000 H1/32", "A:5000>H1:6000 S ✓; H1 S ✓; A SA ✓; H1 SA ✓; A data ✓; H1 S ✗; A data ✓; H1 data ✓"},
	{"D14", client, "A:40000>H1:443 S ✓; H1 RA ✓; +9; H1 ACK ✓; +2; H1 ACK ✗"},
	{"D15", client, connected + "H1 R ✓; +1; A data ✓; +2; H1 data ✓; +30; H1 data ✓"},
	{"D16", client, connected + "H1 R ✓; +1; H1 data ✓; +11; H1 data ✗"},
	{"D17", client, connected + "A FA ✓; H1 ACK ✓; +3599; H1 data ✓; A ACK ✓; +3599; H1 data ✓; A ACK ✓"},
	{"D18", client, connected + "A FA ✓; H1 ACK ✓; +3601; H1 data ✗"},
	{"D19", client + "; T_est=60", connected + "A FA ✓; H1 ACK ✓; +61; H1 data ✗"},
	{"D20", server, accepted + closed + "+10; H1 S ✓ rule; A SA ✓; H1 ACK ✓; +61; H1 data ✓"},
	{"D21", server, accepted + closed + "revoke ofA in tcp/22 H1/32; +10; H1 S ✗ no_rule"},
	{"D22", client, connected + closed + "+10; H1:443>A:40000 S ✗"},
	{"D23", server, accepted + "revoke ofA in tcp/22 H1/32; H1 S ✗; H1 data ✓"},
	{"D24", server, accepted + "H1 S ✓ rule; A ACK ✓; H1 R ✓; H1 S ✓; A SA ✓; entries 1"},
	{"D25", server, "H1:50000>A:22 S ✓; +1; H1 S ✓; +2; H1 S ✓; +4; H1 S ✓; +0.1; A SA ✓; entries 1"},
	{"D26", client, "A:40000>H1:443 S ✓; +31; H1 SA ✗"},
	{"D27", client, "A:40000>H1:443 S ✓; H1 ACK ✓; A R ✓; A S ✓; H1 SA ✓"},
	{"D28", server, "H1:1>A:22 SF ✗ no_state; H1:2>A:22 SR ✗ no_state; H1:3>A:22 none ✗ no_state; H1:4>A:22 FPU ✗ no_state"},
	{"D29", server, accepted + "H1 SF ✗ bad_flags; H1 data ✓; A data ✓"},
	{"D30", server, "H1:1>A:22 SEC ✓; H1:2>A:22 S len=500 ✓"},
	{"D31", server, accepted + "H1 data seq=1 ✓; H1 data seq=4000000000 ✓; A data seq=2000000000 ✓"},
	{"D32", server, "H1:50000>A:22 S ✓; H1 ACK ✓; H1 data ✓; H1 data ✓; +349; H1 data ✓; +350; H1 data ✗"},
	{"D33", "A: in tcp/1000 B/32; out tcp/1000 B/32", "A:1000>B:1000 S ✓; B:1000>A:1000 S ✓; entries 1"},
	{"D34", server, "H1:1>A:22 F ✗ no_state"},
	{"D35", server, accepted + "H1:50001>A:22 R ✗; H1:50000>A:22 data ✓"},
	{"D36", client, "A:40000>H1:443 S ✓; H1 SA ✓; A R ✓; +10; H1 data ✗"},
	{"D37", "A: in tcp/22 198.18.0.0/15; OUT∅", "vary 100 198.18.0.1:1>A:22 S ✓; vary 100 198.18.0.1:1>A:22 R ✓; entries 100; +10; entries 0"},

	// What 3.2 says and section 7 does not show.
	{"D90-first-answer-closes-nothing", server, "H1:50000>A:22 S ✓; +29; H1 S ✓; +1; A SA ✗ no_rule"},
	{"D91-time-wait-stays-after-RST", server, accepted + closed + "+50; H1 R ✓; A ACK ✓; H1 ACK ✓; +10; H1 ACK ✗"},
	{"D92-half-closed-same-side", server, accepted + "H1 FA ✓; H1 FA ✓; +3599; A data ✓; +3599; A data ✓"},
	{"D93-reuse-becomes-untracked", "A: in tcp/22 H1/32; OUT*", accepted + closed + "authorize ofA in tcp/22 0/0; +10; entries 1; H1 S ✓ untracked; entries 0"},
	{"D94-reverse-pick-up-is-judged", "A: IN∅; out tcp/0-65535 H1/32", "A:22>H1:50000 SA ✓; H1 S ✗ no_rule; H1 ACK ✓"},
	{"D95-oneway-answered", client, "A:40000>H1:443 S ✓; A data ✓; H1 data ✓; +351; A data ✓"},
	{"D96-timers-are-absolute", client, "A:40000>H1:443 S ✓; H1 SA ✓; +30; H1 SA ✓; +30; H1 SA ✗"},
}

// Section 7.E, UDP.
const base = "A: IN∅; out udp/0-65535 0/0; UdpTimeout=30; UdpStreamTimeout=180"

var rowsE = []Row{
	{"E01", base, "A:5000>H1:53 udp ✓; +29; H1 udp ✓ tracked"},
	{"E02", base, "A:5000>H1:53 udp ✓; +30; H1 udp ✗"},
	{"E03", base, "A:5000>H1:53 udp ✓; H1:54>A:5000 udp ✗; H2:53>A:5000 udp ✗"},
	{"E04", base, "A:5000>H1:53 udp ✓; H1 udp ✓; +29; H1 udp ✓; +31; H1 udp ✗"},
	{"E05", base, "A:5000>H1:53 udp ✓; H1 udp ✓; A udp ✓; H1 udp ✓; +179; H1 udp ✓"},
	{"E06", base, "A:5000>H1:53 udp ✓; H1 udp ✓; A udp ✓; H1 udp ✓; +180; H1 udp ✗"},
	{"E07", base, "A:5000>H1:53 udp ✓; H1 udp ✓; A udp ✓; +31; H1 udp ✗"},
	{"E08", base + "; UdpTimeout=60", "A:5000>H1:53 udp ✓; +59; H1 udp ✓"},
	{"E09", base, "A:5000>H1:53 udp ✓; +20; A udp ✓; +20; A udp ✓; +20; A udp ✓; +29; H1 udp ✓; +30; H1 udp ✗"},
	{"E10", base, "A:5000>H1:53 udp ✓; H1 udp ✓; A udp ✓; H1 udp ✓; +100; timeouts A 0s 30s 60s; H1 udp ✗"},
	{"E11", base, "A:5000>H1:6000 udp ✓; H1 udp ✓"},
	{"E12", "A: in udp/514 H1/32", "H1:5>A:514 udp ✓; revoke ofA in udp/514 H1/32; +29; H1 udp ✓; +29; H1 udp ✓; +29; H1 udp ✓"},
	{"E13", "A: in udp/514 H1/32", "H1:5>A:514 udp ✓; revoke ofA in udp/514 H1/32; +30; H1 udp ✗"},
	{"E14", "A: in udp/53 H1/32", "H1:5>A:53 udp ✓; H1:5>A:0 udp ✗"},
}

// Section 7.F. An error quotes a packet that went the other way.
var rowsF = []Row{
	{"F01", "A: in icmp 8/-1 0/0; OUT∅", "H1>A echo id=5 ✓; A reply ✓"},
	{"F02", "A: IN∅; OUT*", "A>H1 echo id=7 ✓; H1 reply ✓; H1 reply id=8 ✗"},
	{"F03", "A: IN∅; OUT*", "H1>A reply id=7 ✗"},
	{"F04", "A: IN∅; OUT*", "A>H1 echo id=7 ✓; H1 echo id=7 ✗"},
	{"F05", "A: in icmp 8/-1 0/0", "H1>A icmp 13/0 id=1 ✗"},
	{"F06", "A: in icmp 3/4 0/0", "H1>A icmp 3/4 ✓; H1>A icmp 3/1 ✗"},
	{"F07", client, connected + "198.51.100.1>A icmp 3/4 about=A:40000>H1:443 ✓ related"},
	{"F08", client, connected + "198.51.100.1>A icmp 3/4 about=A:40001>H1:443 ✗ no_rule"},
	{"F09", client, connected + "198.51.100.1>10.0.1.11 icmp 3/4 about=A:40000>H1:443 ✗ no_rule"},
	{"F10", client, connected + "198.51.100.1>A icmp 3/4 about=H1:443>A:40000 ✗ no_rule"},
	{"F11", client, connected + "198.51.100.1>A icmp 3/4 about=A:40000>H1:443,octets=4 ✗ no_rule"},
	{"F12", client + "; T_est=60", connected + "+30; 198.51.100.1>A icmp 3/4 about=A:40000>H1:443 ✓; +29; 198.51.100.1>A icmp 3/4 about=A:40000>H1:443 ✓; " +
		"+1; 198.51.100.1>A icmp 3/4 about=A:40000>H1:443 ✗; H1:443>A:40000 data ✗"},
	{"F13", "A: IN∅; OUT*", "A:5000>H1:33434 udp ✓; 198.51.100.1>A icmp 11/0 about=A:5000>H1:33434,udp ✓ related; H1>A icmp 3/3 about=A:5000>H1:33434,udp ✓ related"},
	{"F14", "A: in udp/53 H1/32; OUT∅", "H1:5000>A:53 udp ✓; A>H1 icmp 3/3 about=H1:5000>A:53,udp ✓ related"},
	{"F15", "A: in tcp/22 H1/32; in tcp/80 0/0; in tcp/80 ::/0; OUT*", "H2:1>A:80 S ✓; A SA ✓; 198.51.100.1>A icmp 3/4 about=A:80>H2:1 ✓ related; 198.51.100.1>A icmp 3/1 about=A:80>H2:1 ✗ no_rule"},
	{"F16", "A: IN∅; OUT∅", "10.0.1.1>A icmp 3/4 ○; 10.0.1.1>A icmp 11/0 ○"},
	{"F17", "A: IN∅; out tcp/443 H6/128", "A6:1>H6:443 S ✓; H6 SA ✓; A6 ACK ✓; [2001:db8:fffe::1]>A6 icmp 2/0 about=A6:1>H6:443 ✓ related"},
	{"F18", "A: in icmp all 0/0", "H6>A6 echo id=1 ✗"},
	{"F19", "A: in icmpv6 ::/0", "H6>A6 echo id=1 ✓"},
	{"F20", client, connected + "198.51.100.1>A icmp 5/1 about=A:40000>H1:443 ✗ no_rule"},
	{"F21", "A: IN∅; OUT*", "A>H1 echo id=7 ✓; 198.51.100.1>A icmp 11/0 about=A>H1,echo=7 ✓ related"},
	{"F22", "A: IN∅; OUT*", "A>H1 echo id=7 ✓; A>H1 proto 47 ✓; 198.51.100.1>A icmp 3/1 about=A>H1,error ✗ no_rule"},
	{"F23", "A: in icmp 8/-1 H1/32", "H1>A echo id=1 ✓; revoke ofA in icmp 8/-1 H1/32; +1; H1 echo id=1 ✓; A reply ✓; H1 echo id=2 ✗"},
	{"F24", "A: in icmp 8/-1 H1/32", "H1>A echo id=1 ✓; revoke ofA in icmp 8/-1 H1/32; +30; H1 echo id=1 ✗"},

	{"F25", "switch icmp_related off; " + client, connected + "198.51.100.1>A icmp 3/4 about=A:40000>H1:443 ✗ no_rule; authorize ofA in icmp 3/4 0/0; " +
		"198.51.100.1>A icmp 3/4 about=A:40000>H1:443 ✓ rule"},
	{"F26", "allowance A 20; A: W", "vary 20 198.18.0.1>A echo id=1 ✓; 198.19.0.1>A echo id=1 ✗ allowance; available 0; exceeded 1"},
	{"F90-reply-by-rule-makes-no-state", "A: in icmp 0/-1 H1/32", "H1>A reply id=1 ✓; entries 0; A echo id=1 ✗"},
	{"F91-timestamp-is-no-echo", "A: IN∅; OUT*", "A>H1 echo id=7 ✓; H1>A icmp 14/0 id=7 ✗"},
	{"F93-quoted-options", client, connected + "198.51.100.1>A icmp 3/4 about=A:40000>H1:443,options ✓ related"},
	{"F94-quoted-extension-header", "A: IN∅; out tcp/443 H6/128", "A6:1>H6:443 S ✓; [2001:db8:fffe::1]>A6 icmp 2/0 about=A6:1>H6:443,options ✓ related"},
	{"F95-quoted-later-fragment", client, connected + "198.51.100.1>A icmp 3/4 about=A:40000>H1:443,later ✗ no_rule"},
	{"F96-quoted-protocol-without-ports", "A: IN∅; OUT*", "A>H1 proto 47 ✓; H2>A icmp 3/2 about=A>H1,proto=47 ✓ related; H2>A icmp 3/2 about=A>H1,proto=50 ✗"},
	{"F97-path-mtu-limit", "A: in tcp/80 0/0; OUT*", "times 100 198.51.100.1>A icmp 3/4 about=A:80>H2:1 ✓ related; 198.51.100.1>A icmp 3/4 about=A:80>H2:1 ✗ no_rule; " +
		"+1; 198.51.100.1>A icmp 3/4 about=A:80>H2:1 ✓ related"},
	{"F98-path-mtu-off", "switch icmp_path_mtu off; A: in tcp/80 0/0; OUT*", "198.51.100.1>A icmp 3/4 about=A:80>H2:1 ✗ no_rule"},
	{"F99-path-mtu-of-what-is-tracked", "A: in tcp/80 0/0; OUT∅", "198.51.100.1>A icmp 3/4 about=A:80>H2:1 ✗ no_rule"},
	{"F89-path-mtu-ipv6", "A: in tcp/80 ::/0; OUT*", "[2001:db8:fffe::1]>A6 icmp 2/0 about=A6:80>H6:1 ✓ related; [2001:db8:fffe::1]>A6 icmp 1/0 about=A6:80>H6:1 ✗ no_rule"},
	{"F92-both-sides-ask", "A: in icmp all 0/0; OUT*", "A>H1 echo id=7 ✓; H1 echo id=7 ✓ rule; entries 2; A reply ✓ tracked; H1 reply ✓ tracked"},
}

// Section 7.G, other protocols.
var rowsG = []Row{
	{"G01", "A: IN∅; OUT*", "A>H1 proto 47 ✓; +599; H1 proto 47 ✓; +600; H1 proto 47 ✗"},
	{"G02", "A: IN∅; OUT*", "A>H1 proto 47 ✓; H1 proto 50 ✗"},
	{"G03", "A: in proto 47 H1/32; OUT∅", "H1>A proto 47 ✓; A proto 47 ✓; A>H2 proto 47 ✗"},
	{"G04", "A: in proto 132 H1/32", "H1>A proto 132 ✓"},
	{"G05", "A: in tcp/22 H1/32", "H1>A proto 4 ✗"},
	{"G06", "A: in all H1/32", "H1>A proto 253 ✓"},
	{"G07", "A: in proto 47 H1/32", "H1>A proto 47 ✓; revoke ofA in proto 47 H1/32; +599; H1 proto 47 ✓; +599; H1 proto 47 ✓"},
}
