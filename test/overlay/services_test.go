// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// says returns what the metadata service of an instance's host says at a path.
func (w *world) says(key, path string) string {
	w.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return w.inside[key].Dial("tcp", netip.AddrPort{}, netip.MustParseAddrPort("169.254.169.254:80"), patience)
		},
	}}
	answer, err := client.Get("http://169.254.169.254/latest/" + path)
	if err != nil {
		w.t.Fatalf("metadata of %s: %v", key, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("metadata of %s: %s %q, %v", key, answer.Status, text, err)
	}
	return string(text)
}

// asks sends a datagram from an instance and returns the answer to it.
func (w *world) asks(key, to string, question []byte) []byte {
	w.t.Helper()
	conn, err := w.inside[key].Dial("udp", netip.AddrPort{}, netip.MustParseAddrPort(to), patience)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	answer := make([]byte, 1500)
	var n int
	for end := time.Now().Add(patience); time.Now().Before(end) && n == 0; { // a datagram may be lost
		if _, err := conn.Write(question); err != nil {
			w.t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			w.t.Fatal(err)
		}
		n, _ = conn.Read(answer)
	}
	return answer[:n]
}

// resolves returns the address of a name as an instance's resolver knows it.
func (w *world) resolves(key, resolver, name string) string {
	w.t.Helper()
	q := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	question, err := q.Pack()
	if err != nil {
		w.t.Fatal(err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(w.asks(key, resolver+":53", question)); err != nil {
		w.t.Fatalf("%s asks %s: %v", key, resolver, err)
	}
	if len(m.Answers) == 0 {
		return strings.TrimPrefix(m.RCode.String(), "RCode")
	}
	return netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A).String()
}

// TestServicesOnEveryHost: names, metadata and time are answered on the host of who
// asks, by what the host was told; VPCs with the same addresses are told each its
// own (docs/spec/packet-semantics.md section 4.1).
func TestServicesOnEveryHost(t *testing.T) {
	w := populate(t, install(t, twoHosts))
	for _, p := range places {
		key := p.vpc + "/" + p.name
		for path, want := range map[string]string{
			"meta-data/instance-id": p.instance(), "meta-data/local-ipv4": p.addr,
			"meta-data/network/interfaces/macs/" + p.row().MAC + "/vpc-id":             "vpc-" + p.vpc,
			"meta-data/network/interfaces/macs/" + p.row().MAC + "/owner-id":           customer.Account,
			"meta-data/network/interfaces/macs/" + p.row().MAC + "/security-group-ids": p.group(),
		} {
			if got := w.says(key, path); got != want {
				t.Errorf("%s is told %s %q, want %q", key, path, got, want)
			}
		}
		time := make([]byte, 48)
		time[0] = 4<<3 | 3
		if got := w.asks(key, "169.254.169.123:123", time); len(got) != 48 {
			t.Errorf("%s is told the time %x", key, got)
		}
	}
	for _, resolver := range []string{"10.0.0.2", "169.254.169.253"} {
		if got := w.resolves("red/web", resolver, "ip-10-0-0-20.ec2.internal."); got != "10.0.0.20" {
			t.Errorf("%s answers %s for an instance of the other host", resolver, got)
		}
		if got := w.resolves("red/db", resolver, "ip-10-1-0-30.ec2.internal."); got != "NameError" {
			t.Errorf("%s answers %s for an address of another VPC", resolver, got)
		}
	}
}
