// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	nullProtocol = "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly."
	tcpPorts     = "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."
	icmpPorts    = "Invalid value for portRange. Must specify both from and to ports with ICMP."
	badRuleText  = "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
	badGroupText = "Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
	badName      = "Invalid security group name. Valid names are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
)

// TestParseProtocol holds API-A4, API-A5 and API-A6: sections 2.3 and 17.2.
func TestParseProtocol(t *testing.T) {
	for _, tt := range []struct {
		text, shown, message string
	}{
		{text: "tcp", shown: "tcp"}, {text: "TCP", shown: "tcp"}, {text: "6", shown: "tcp"}, {text: "Tcp", shown: "tcp"},
		{text: "udp", shown: "udp"}, {text: "UDP", shown: "udp"}, {text: "17", shown: "udp"},
		{text: "icmp", shown: "icmp"}, {text: "ICMP", shown: "icmp"}, {text: "1", shown: "icmp"},
		{text: "icmpv6", shown: "icmpv6"}, {text: "ICMPV6", shown: "icmpv6"}, {text: "58", shown: "icmpv6"},
		{text: "-1", shown: "-1"}, {text: "0", shown: "0"}, {text: "50", shown: "50"}, {text: "255", shown: "255"},
		{text: "", message: nullProtocol},
		{text: "all", message: "Invalid value 'all' for IP protocol. Unknown protocol."},
		{text: "gre", message: "Invalid value 'gre' for IP protocol. Unknown protocol."},
		{text: "256", message: "Invalid value '256' for IP protocol. Unknown protocol."},
		{text: "-2", message: "Invalid value '-2' for IP protocol. Unknown protocol."},
		{text: "06", message: "Invalid value '06' for IP protocol. Unknown protocol."},
		{text: "+6", message: "Invalid value '+6' for IP protocol. Unknown protocol."},
		{text: "-0", message: "Invalid value '-0' for IP protocol. Unknown protocol."},
		{text: " tcp", message: "Invalid value ' tcp' for IP protocol. Unknown protocol."},
		{text: "tcp ", message: "Invalid value 'tcp ' for IP protocol. Unknown protocol."},
	} {
		t.Run(tt.text, func(t *testing.T) {
			p, err := ParseProtocol(tt.text)
			invalid(t, err, tt.message)
			if err == nil && p.String() != tt.shown {
				t.Errorf("shown as %s, want %s", p, tt.shown)
			}
		})
	}
}

// TestParsePorts holds API-A7, API-A8, API-A9 and API-A10: sections 2.4 and 17.2.
func TestParsePorts(t *testing.T) {
	n := func(v int32) *int32 { return &v }
	for _, tt := range []struct {
		name        string
		protocol    Protocol
		from, to    *int32
		first, last int32
		message     string
	}{
		{name: "API-A7 absent", protocol: TCP, message: tcpPorts},
		{name: "API-A7 last absent", protocol: UDP, from: n(5), message: tcpPorts},
		{name: "API-A7 first absent", protocol: TCP, to: n(5), message: tcpPorts},
		{name: "API-A7 -1", protocol: TCP, from: n(-1), to: n(-1), message: "TCP/UDP port (-1) out of range"},
		{name: "API-A7 70000", protocol: UDP, from: n(5), to: n(70000), message: "TCP/UDP port (70000) out of range"},
		{name: "API-A7 upside down", protocol: TCP, from: n(20), to: n(10), message: "Invalid TCP/UDP port range (20:10)"},
		{name: "every port", protocol: TCP, from: n(0), to: n(65535), first: 0, last: 65535},
		{name: "API-A8 no type", protocol: ICMP, message: icmpPorts},
		{name: "API-A8 no code", protocol: ICMP, from: n(8), message: icmpPorts},
		{name: "API-A8 8/-1", protocol: ICMP, from: n(8), to: n(-1), first: 8, last: -1},
		{name: "API-A8 3/65535", protocol: ICMP, from: n(3), to: n(65535), message: "ICMP code (65535) out of range"},
		{name: "API-A8 -1/0", protocol: ICMP, from: n(-1), to: n(0), message: "ICMP code (0) out of range"},
		{name: "API-A8 256/0", protocol: ICMP, from: n(256), to: n(0), message: "ICMP type (256) out of range"},
		{name: "API-A8 -2/0", protocol: ICMP, from: n(-2), to: n(0), message: "ICMP type (-2) out of range"},
		{name: "API-A8 255/255", protocol: ICMP, from: n(255), to: n(255), first: 255, last: 255},
		{name: "API-A8 3/-2", protocol: ICMP, from: n(3), to: n(-2), message: "ICMP code (-2) out of range"},
		{name: "API-A8 icmpv6 absent", protocol: ICMPv6, first: -1, last: -1},
		{name: "icmpv6 half", protocol: ICMPv6, from: n(128), message: icmpPorts},
		{name: "icmpv6 128/0", protocol: ICMPv6, from: n(128), to: n(0), first: 128, last: 0},
		{name: "icmpv6 256/0", protocol: ICMPv6, from: n(256), to: n(0), message: "ICMP type (256) out of range"},
		{name: "API-A9 ports ignored", protocol: AllProtocols, from: n(80), to: n(80), first: -1, last: -1},
		{name: "API-A10 ports ignored", protocol: 50, from: n(2), to: n(1), first: -1, last: -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, last, err := ParsePorts(tt.protocol, tt.from, tt.to)
			invalid(t, err, tt.message)
			if err == nil && (first != tt.first || last != tt.last) {
				t.Errorf("got %d-%d, want %d-%d", first, last, tt.first, tt.last)
			}
		})
	}
}

// TestParseCIDR holds API-A1, API-A12 and API-A13: sections 2.6 and 17.2.
func TestParseCIDR(t *testing.T) {
	for _, tt := range []struct {
		family int
		text   string
		want   string // empty: malformed
	}{
		{4, "100.68.0.18/18", "100.68.0.0/18"},
		{4, "10.0.0.5/8", "10.0.0.0/8"},
		{4, "0.0.0.0/0", "0.0.0.0/0"},
		{4, "1.2.3.4/32", "1.2.3.4/32"},
		{4, "1.2.3.4", ""}, {4, "10.0.0.0/33", ""}, {4, "10.0.0.0/", ""}, {4, "", ""}, {4, "any", ""},
		{4, "256.0.0.0/8", ""}, {4, "010.0.0.0/8", ""}, {4, "10.0.0.0/08", ""}, {4, "10.0.0/8", ""},
		{4, " 10.0.0.0/8", ""}, {4, "10.0.0.0/-1", ""}, {4, "::/0", ""}, {4, "::ffff:1.2.3.4/128", ""},
		{6, "2001:DB8:0:0::1/32", "2001:db8::/32"},
		{6, "2001:DB8:0:0:1:0:0:1/128", "2001:db8::1:0:0:1/128"},
		{6, "2001:aaaa:bbbb::cccc:dddd:fe2b:7e9f/128", "2001:aaaa:bbbb:0:cccc:dddd:fe2b:7e9f/128"},
		{6, "::ffff:1.2.3.4/128", "::ffff:1.2.3.4/128"},
		{6, "::/0", "::/0"},
		{6, "10.0.0.0/8", ""}, {6, "fe80::1%eth0/64", ""}, {6, "::/129", ""}, {6, "::", ""}, {6, "2001:db8::/", ""},
	} {
		parse := ParseCIDR4
		if tt.family == 6 {
			parse = ParseCIDR6
		}
		got, err := parse(tt.text)
		if tt.want == "" {
			invalid(t, err, "CIDR block "+tt.text+" is malformed")
		} else if err != nil || got.String() != tt.want {
			t.Errorf("%s: got %v, %v, want %s", tt.text, got, err, tt.want)
		}
	}
}

// TestCheckGroupName holds API-C6 and API-C7: sections 2.7 and 17.1.
func TestCheckGroupName(t *testing.T) {
	for _, tt := range []struct {
		name, stored, code, message string
	}{
		{name: "web", stored: "web"},
		{name: "a ", stored: "a"},
		{name: " a b  ", stored: " a b"},
		{name: "A. _-:/()#,@[]+=&;{}!$*9z", stored: "A. _-:/()#,@[]+=&;{}!$*9z"},
		{name: "Default", stored: "Default"},
		{name: "sgx", stored: "sgx"},
		{name: strings.Repeat("x", 255), stored: strings.Repeat("x", 255)},
		{name: strings.Repeat("x", 255) + " ", stored: strings.Repeat("x", 255)},
		{name: "", code: "MissingParameter", message: "The request must contain the parameter groupName"},
		{name: "  ", code: "MissingParameter", message: "The request must contain the parameter groupName"},
		{name: "sg-x", code: "InvalidParameterValue", message: "Value (sg-x) for parameter GroupName is invalid. Group names may not be in the format sg-*."},
		{name: "default", code: "InvalidParameterValue", message: "Cannot use reserved security group name: default"},
		{name: "default ", code: "InvalidParameterValue", message: "Cannot use reserved security group name: default"},
		{name: "naïve", code: "InvalidParameterValue", message: "Value (naïve) for parameter GroupName is invalid. Character sets beyond ASCII are not supported."},
		{name: "a<b", code: "InvalidParameterValue", message: badName},
		{name: "a\tb", code: "InvalidParameterValue", message: badName},
		{name: strings.Repeat("x", 256), code: "InvalidParameterValue", message: badName},
	} {
		stored, err := CheckGroupName(tt.name)
		expect(t, err, tt.code, tt.message)
		if stored != tt.stored {
			t.Errorf("%q is stored as %q, want %q", tt.name, stored, tt.stored)
		}
	}
}

// TestDescriptions holds API-C6 and API-A17.
func TestDescriptions(t *testing.T) {
	expect(t, CheckGroupDescription("front ends"), "", "")
	expect(t, CheckGroupDescription(""), "MissingParameter", "The request must contain the parameter groupDescription")
	invalid(t, CheckGroupDescription("é"), "Value (é) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.")
	for _, bad := range []string{"<", ">", "a\"b", "%", "^", "~", "|", `\`, "?", "\n", "\x00", "'", strings.Repeat("x", 256)} {
		invalid(t, CheckGroupDescription(bad), badGroupText)
		invalid(t, CheckRuleDescription(bad), badRuleText)
	}
	invalid(t, CheckRuleDescription("é"), badRuleText)
	invalid(t, CheckRuleDescription(""), "")
	invalid(t, CheckRuleDescription(strings.Repeat("*", 255)), "")
}

// TestCanonicalFormsAreFixed: what is stored parses to itself.
func TestCanonicalFormsAreFixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}/[0-9]{1,2}`).Draw(t, "cidr")
		if p, err := ParseCIDR4(text); err == nil {
			if again, err := ParseCIDR4(p.String()); err != nil || again != p {
				t.Fatalf("%s became %s became %v, %v", text, p, again, err)
			}
		}
		p := Protocol(rapid.IntRange(-1, 255).Draw(t, "protocol"))
		if again, err := ParseProtocol(p.String()); err != nil || again != p {
			t.Fatalf("protocol %d became %v, %v", p, again, err)
		}
		from, to := rapid.Int32Range(-3, 300).Draw(t, "from"), rapid.Int32Range(-3, 300).Draw(t, "to")
		if first, last, err := ParsePorts(p, &from, &to); err == nil {
			if a, b, err := ParsePorts(p, &first, &last); err != nil || a != first || b != last {
				t.Fatalf("%s %d-%d became %d-%d, %v", p, first, last, a, b, err)
			}
		}
	})
}

func FuzzParseCIDR(f *testing.F) {
	for _, seed := range []string{"10.0.0.5/8", "::ffff:1.2.3.4/96", "2001:DB8::1/32", "fe80::1%e/64", "1.2.3.4/032"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		four, err4 := ParseCIDR4(text)
		six, err6 := ParseCIDR6(text)
		if err4 == nil && err6 == nil {
			t.Fatalf("%q is of both families", text)
		}
		if err4 == nil && (!four.Addr().Is4() || four != four.Masked()) {
			t.Fatalf("%q became %v", text, four)
		}
		if err6 == nil {
			if again, err := ParseCIDR6(six.String()); err != nil || again != six {
				t.Fatalf("%q became %v became %v, %v", text, six, again, err)
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("web")
	f.Add("sg-1 ")
	f.Add("naïve<")
	f.Fuzz(func(t *testing.T, text string) {
		stored, err := CheckGroupName(text)
		if err == nil {
			if again, err := CheckGroupName(stored); err != nil || again != stored {
				t.Fatalf("%q is stored as %q, which becomes %q, %v", text, stored, again, err)
			}
			if err := CheckGroupDescription(stored); err != nil {
				t.Fatalf("name %q is no description: %v", stored, err)
			}
		}
		if WellFormed(RulePrefix, text) && !WellFormedRule(text) {
			t.Fatalf("%q is strictly but not loosely well formed", text)
		}
	})
}
