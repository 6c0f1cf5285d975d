// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bufio"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"github.com/hedgeward/hedgeward/test/rig"
)

const corp = "corp.example.com"

// playController answers on the ports of a domain controller, on those of the
// directory with its root entry, and prints who has asked it over which protocol. It
// ends with its input.
const playController = `
import os, socketserver, sys, threading
def say(line): os.write(1, line.encode() + b"\n")  # whole, whoever else says something
def tlv(tag, *parts):
    body = b"".join(parts)
    return bytes([tag, 0x84]) + len(body).to_bytes(4, "big") + body
entry = tlv(0x30, b"\x02\x01\x01", tlv(0x64, tlv(4), tlv(0x30, tlv(0x30, tlv(4, b"defaultNamingContext"), tlv(0x31, tlv(4, b"DC=corp,DC=example,DC=com"))))))
class Shut(socketserver.BaseRequestHandler):
    def handle(self): pass
class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        if self.request.recv(512):
            say("tcp " + self.client_address[0])
            self.request.sendall(entry)
class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        say("udp " + self.client_address[0])
        self.request[1].sendto(entry, self.client_address)
socketserver.ThreadingTCPServer.allow_reuse_address = True
servers = [socketserver.ThreadingTCPServer(("", p), Shut) for p in (53, 88, 135, 445)]
servers += [socketserver.ThreadingTCPServer(("", 389), Tcp), socketserver.ThreadingUDPServer(("", 389), Udp)]
for s in servers: threading.Thread(target=s.serve_forever).start()
say("ready")
sys.stdin.read()
os._exit(0)
`

// controls has an instance be a controller until the test ends, and returns what it
// has said.
func controls(t *testing.T, g *guest) (said chan string) {
	t.Helper()
	cmd := exec.Command(rig.Program(), "exec", g.id, "--", "python3", "-c", playController)
	cmd.Stderr = os.Stderr
	life, err := cmd.StdinPipe() // it ends with this
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said = make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			select {
			case said <- lines.Text():
			default: // nobody asks for more
			}
		}
	}()
	t.Cleanup(func() {
		life.Close()
		<-done
		cmd.Wait()
	})
	if first := <-said; first != "ready" {
		t.Fatalf("the controller says %q", first)
	}
	return said
}

// resolvesDomain is a resolver on this machine that knows the one controller of the
// domain, once at has its address.
func resolvesDomain(t *testing.T, at *atomic.Pointer[netip.Addr]) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	label := func(name string) string {
		var b strings.Builder
		for part := range strings.SplitSeq(name, ".") {
			b.WriteByte(byte(len(part)))
			b.WriteString(part)
		}
		return b.String() + "\x00"
	}
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			question, _, _ := strings.Cut(string(query[12:n]), "\x00")
			question = string(query[12 : 12+len(question)+5]) // the name with its end, type and class
			reply := []byte{query[0], query[1], 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0}
			data := ""
			switch a := at.Load(); {
			case a == nil:
			case question == label("_ldap._tcp.dc._msdcs."+corp)+"\x00\x21\x00\x01":
				data = "\x00\x00\x00\x64\x01\x85" + label("dc1."+corp)
			case question == label("dc1."+corp)+"\x00\x01\x00\x01":
				data = string(a.AsSlice())
			}
			reply = append(reply, question...)
			if data != "" {
				reply[3], reply[7] = 0x80, 1
				reply = append(reply, "\xc0\x0c"+question[len(question)-4:]+"\x00\x00\x00\x3c\x00"+string([]byte{byte(len(data))})+data...)
			}
			conn.WriteTo(reply, from)
		}
	}()
	return conn.LocalAddr().String()
}

// TestInstancesJoinTheirDomain is docs/spec/appstream.md section 3.8: an instance
// reaches its domain's controller through its groups, or is none.
func TestInstancesJoinTheirDomain(t *testing.T) {
	t.Parallel()
	var at atomic.Pointer[netip.Addr]
	f := newStudioOn(t, rig.New(t, "--resolver", resolvesDomain(t, &at)), studioRegion, "joins")
	const password = "correct horse battery"
	_, err := f.as.CreateDirectoryConfig(t.Context(), &appstream.CreateDirectoryConfigInput{
		DirectoryName: aws.String(corp), OrganizationalUnitDistinguishedNames: []string{"OU=Streaming,DC=corp,DC=example,DC=com"},
		ServiceAccountCredentials: &streaming.ServiceAccountCredentials{AccountName: aws.String(`CORP\joiner`), AccountPassword: aws.String(password)},
	})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := f.as.DescribeDirectoryConfigs(t.Context(), &appstream.DescribeDirectoryConfigsInput{DirectoryNames: []string{corp}})
	if err != nil || len(shown.DirectoryConfigs) != 1 || *shown.DirectoryConfigs[0].ServiceAccountCredentials.AccountPassword != "*****" {
		t.Errorf("the directory is shown as %+v, %v", shown, err)
	}
	if strings.Contains(f.s.Command(t, "status")+f.s.Said(), password) {
		t.Error("the password of the service account is shown")
	}
	g1, servers := f.bare("g1"), f.group("controllers")
	f.allow(servers, permission("-1", -1, -1, g1))
	dc := f.run(servers)[0]
	asked := controls(t, dc)
	address := netip.MustParseAddr(dc.ip)
	at.Store(&address)
	in := f.asked("F", g1)
	in.DomainJoinInfo = &streaming.DomainJoinInfo{DirectoryName: aws.String(corp)}
	fleet := f.create(in)
	_, err = f.as.DeleteDirectoryConfig(t.Context(), &appstream.DeleteDirectoryConfigInput{DirectoryName: aws.String(corp)})
	rig.WantCode(t, "deleting the directory of a fleet", err, "ResourceInUseException")
	refusedJoin := func(f *studio, when string) {
		f.t.Helper()
		if _, err := f.as.StartFleet(f.t.Context(), &appstream.StartFleetInput{Name: &fleet}); err != nil {
			f.t.Fatal(err)
		}
		eventually(f.t, when+": the fleet is stopped again", func() bool { return f.fleet(fleet).State == streaming.FleetStateStopped })
		got := f.fleet(fleet)
		if len(got.FleetErrors) != 1 || got.FleetErrors[0].ErrorCode != streaming.FleetErrorCodeDomainJoinErrorNoSuchDomain ||
			!strings.Contains(*got.FleetErrors[0].ErrorMessage, "controller "+dc.ip) {
			f.t.Errorf("%s: the fleet's errors are %+v", when, got.FleetErrors)
		}
		if n := len(f.enis(fleet)); n != 0 {
			f.t.Errorf("%s: %d interfaces are left", when, n)
		}
	}
	f.row(t, "AS-D15", func(f *studio) {
		refusedJoin(f, "without a rule")
		for _, port := range []int32{53, 88, 135, 445} {
			f.allowEgress(g1, permission("tcp", port, port, servers))
		}
		f.allowEgress(g1, permission("udp", 389, 389, servers))
		refusedJoin(f, "without TCP 389")
		f.allowEgress(g1, permission("tcp", 389, 389, servers))
		f.startFleet(fleet)
		p := f.instance(fleet)
		heard := map[string]bool{}
		for len(asked) > 0 {
			heard[<-asked] = true
		}
		if !heard["tcp "+p.ip] || !heard["udp "+p.ip] {
			f.t.Errorf("the controller has heard %v, and not %s over TCP and UDP", heard, p.ip)
		}
		if got := f.fleet(fleet); len(got.FleetErrors) != 0 || *got.ComputeCapacityStatus.Running != 1 {
			f.t.Errorf("a fleet that has joined is %+v", got)
		}
	})
}
