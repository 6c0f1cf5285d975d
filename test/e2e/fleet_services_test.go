// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// askName asks a resolver for the address of a name, as a client of the DNS does,
// and prints the answer's code and its addresses.
const askName = `
import socket, struct, sys
server, name = sys.argv[1:]
q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0\0\1\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(q, (server, 53))
b, at = s.recvfrom(4096)
answers = struct.unpack(">H", b[6:8])[0]
print(at[0], b[3] & 15, *[socket.inet_ntoa(b[len(q) + 16 * n + 12:len(q) + 16 * n + 16]) for n in range(answers) if len(b) >= len(q) + 16])
`

// askTime asks for the time of day, as a client of SNTP does.
const askTime = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b"\x23" + 47 * b"\0", ("169.254.169.123", 123))
print(struct.unpack(">I", s.recv(48)[40:44])[0] - 2208988800)
`

// TestExemptServices asks for names, metadata and the time in instances whose
// groups have no rule at all, in two VPCs with the same addresses.
func TestExemptServices(t *testing.T) {
	t.Parallel()
	f, other := newStudio(t, "exempt"), newStudio(t, "twin")
	g1 := f.bare("g1")
	fleet := f.running(f.asked("F", g1))
	p := f.instance(fleet)
	stranger := other.run(other.bare("g"))[0]
	web := func(f *studio, g *guest, args ...string) string {
		f.t.Helper()
		return f.inside(g, append([]string{"curl", "-s", "--max-time", "20"}, args...)...)
	}
	const latest = "http://169.254.169.254/latest/"
	f.row(t, "AS-D16", func(f *studio) {
		for g, at := range map[*guest]*studio{p: f, stranger: other} {
			if got := web(at, g, latest+"meta-data/instance-id"); got != g.id {
				f.t.Errorf("%s is told that it is %q", g.id, got)
			}
			if got := web(at, g, latest+"meta-data/local-ipv4"); got != g.ip {
				f.t.Errorf("%s with address %s is told that it has %q", g.id, g.ip, got)
			}
		}
		mac := web(f, p, latest+"meta-data/mac")
		if got := web(f, p, latest+"meta-data/network/interfaces/macs/"+mac+"/security-group-ids"); got != g1 {
			f.t.Errorf("the groups of %s are %q, want %s", mac, got, g1)
		}
		if got := web(f, p, latest+"meta-data/network/interfaces/macs/"); got != mac+"/" {
			f.t.Errorf("interfaces %q are shown, of which one is the customer's", got)
		}
		token := web(f, p, "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", latest+"api/token")
		if got := web(f, p, "-H", "X-aws-ec2-metadata-token: "+token, latest+"meta-data/placement/region"); got != studioRegion {
			f.t.Errorf("with a token the Region is %q", got)
		}
		status := []string{"-o", "/dev/null", "-w", "%{http_code}"}
		if got := web(other, stranger, append(status, "-H", "X-aws-ec2-metadata-token: "+token, latest+"meta-data/mac")...); got != "401" {
			f.t.Errorf("another instance's token is answered %s", got)
		}
		if got := web(f, p, append(status, latest+"meta-data/none")...); got != "404" {
			f.t.Errorf("a path that is not there is answered %s", got)
		}
	})
	name := func(ip string) string {
		return "ip-" + strings.ReplaceAll(ip, ".", "-") + "." + studioRegion + ".compute.internal"
	}
	ask := func(f *studio, g *guest, server, name string) string {
		f.t.Helper()
		return strings.TrimSpace(f.inside(g, "python3", "-c", askName, server, name))
	}
	f.row(t, "AS-D17", func(f *studio) {
		own := f.group("own")
		f.allow(own, permission("-1", -1, -1, anywhere))
		server := f.serving(own, 53)
		check(f.t, "the customer's own DNS server", dropped(connects(p, "udp", server.ip, 53)), dropped(connects(p, "tcp", server.ip, 53)))
		for _, resolver := range []string{"10.50.0.2", "169.254.169.253"} {
			if got := ask(f, p, resolver, name(server.ip)); got != resolver+" 0 "+server.ip {
				f.t.Errorf("%s answers %q for %s", resolver, got, name(server.ip))
			}
		}
		if got := ask(f, p, "10.50.0.2", name("10.99.0.1")); got != "10.50.0.2 3" {
			f.t.Errorf("for an address of no VPC the resolver answers %q", got)
		}
		if got := ask(f, p, "10.50.0.2", "www.example.com"); got != "10.50.0.2 5" {
			f.t.Errorf("for a name of others, without --resolver, the resolver answers %q", got)
		}
	})
	f.row(t, "AS-A09", func(f *studio) {
		if got := ask(f, p, "10.50.0.2", name(p.ip)); got != "10.50.0.2 0 "+p.ip {
			f.t.Errorf("without egress rules the resolver answers %q", got)
		}
		if got := web(f, p, latest+"meta-data/instance-id"); got != p.id {
			f.t.Errorf("without egress rules the metadata service answers %q", got)
		}
		at, err := time.ParseDuration(strings.TrimSpace(f.inside(p, "python3", "-c", askTime)) + "s")
		if err != nil || time.Since(time.Unix(int64(at.Seconds()), 0)).Abs() > time.Minute {
			f.t.Errorf("the time is %s, %v", at, err)
		}
	})
}
