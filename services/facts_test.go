// SPDX-License-Identifier: Apache-2.0

package services

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/hedgeward/hedgeward/feed"
)

// told is a host that was told of one instance, which streams: one interface is its
// customer's, the other the service's.
type told struct{ on *feed.Instance }

func (h told) Asks(iface string) (*feed.Instance, []*feed.Interface) {
	if iface != "eni-a" && iface != "eni-s" {
		return nil, nil
	}
	return h.on, []*feed.Interface{
		{
			ID: "eni-a", Owner: "111122223333", Subnet: "subnet-1", VPC: "vpc-1", MAC: "02:00:00:00:00:01", Groups: []string{"sg-1", "sg-2"},
			Addresses:   []netip.Prefix{netip.MustParsePrefix("10.0.0.5/24"), netip.MustParsePrefix("fd00::5/64")},
			VPCPrefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/56")},
			Public:      []feed.Public{{Public: netip.MustParseAddr("198.18.0.9"), Private: netip.MustParseAddr("10.0.0.5")}},
		},
		{ID: "eni-s", Owner: "000000000001", VPC: "vpc-s", MAC: "02:00:00:00:00:02", DeviceIndex: 1},
	}
}

func newTold() told {
	return told{&feed.Instance{ID: "i-1", Facts: feed.Facts{
		Account: "111122223333", Region: "us-east-1", Zone: "us-east-1a", Image: "ami-1", Metadata: feed.MetadataOpen, Resolver: true,
		Groups: []feed.GroupName{{ID: "sg-1", Name: "web"}, {ID: "sg-2", Name: "db"}},
		Doors:  []feed.Door{{Name: "vpce-1.api.appstream.us-east-1.vpce.amazonaws.com", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.77")}}},
	}}}
}

func TestWhoIsAnswered(t *testing.T) {
	h := newTold()
	if f := factsOf(h, "eni-a"); f == nil || len(f.Interfaces) != 1 {
		t.Errorf("the customer's interface is told %+v", f)
	}
	for _, id := range []string{"eni-s", "eni-x", ""} {
		if f := factsOf(h, id); f != nil {
			t.Errorf("%q is told %+v", id, f)
		}
	}
	h.on.Facts = feed.Facts{}
	if f := factsOf(h, "eni-a"); f != nil {
		t.Errorf("an instance of which nothing is known is told %+v", f)
	}
}

func TestMetadataOfAnInstance(t *testing.T) {
	h := newTold()
	m := newMetadata(func(netip.Addr) *Facts { return factsOf(h, "eni-a") }, time.Now)
	ask := func(method, path string, headers ...string) (int, string) {
		r := httptest.NewRequest(method, "http://169.254.169.254"+path, nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	const at = "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/"
	for path, want := range map[string]string{
		"/latest/meta-data/instance-id": "i-1", "/latest/meta-data/local-ipv4": "10.0.0.5", "/latest/meta-data/ipv6": "fd00::5",
		"/latest/meta-data/public-ipv4": "198.18.0.9", "/latest/meta-data/security-groups": "web\ndb",
		"/latest/meta-data/local-hostname":           "ip-10-0-0-5.ec2.internal",
		"/latest/meta-data/network/interfaces/macs/": "02:00:00:00:00:01/",
		at + "subnet-ipv4-cidr-block":                "10.0.0.0/24", at + "vpc-ipv4-cidr-blocks": "10.0.0.0/16", at + "owner-id": "111122223333",
		at + "ipv4-associations/198.18.0.9": "10.0.0.5",
	} {
		if code, got := ask(http.MethodGet, path); code != http.StatusOK || got != want {
			t.Errorf("%s is %d %q, want %q", path, code, got, want)
		}
	}
	for use, want := range map[feed.Metadata]int{
		feed.MetadataOpen: http.StatusOK, feed.MetadataTokens: http.StatusUnauthorized, feed.MetadataNone: http.StatusForbidden, 7: http.StatusForbidden,
	} {
		h.on.Facts.Metadata = use
		if code, _ := ask(http.MethodGet, "/latest/meta-data/instance-id"); code != want {
			t.Errorf("without a token, for %v: %d, want %d", use, code, want)
		}
	}
	h.on.Facts.Metadata = feed.MetadataTokens
	_, token := ask(http.MethodPut, "/latest/api/token", lifeHeader, "60")
	if code, got := ask(http.MethodGet, "/latest/meta-data/instance-id", tokenHeader, token); code != http.StatusOK || got != "i-1" {
		t.Errorf("with a token: %d %q", code, got)
	}
}

func TestNamesOfAVPC(t *testing.T) {
	h := newTold()
	ask := func(name string, kind dnsmessage.Type) string {
		t.Helper()
		q := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}}}
		query, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		answer := answerNames(factsOf(h, "eni-a"), query, nil)
		if answer == nil {
			return "nothing"
		}
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil {
			t.Fatal(err)
		}
		if len(m.Answers) == 0 {
			return strings.TrimPrefix(m.RCode.String(), "RCode")
		}
		switch r := m.Answers[0].Body.(type) {
		case *dnsmessage.AResource:
			return netip.AddrFrom4(r.A).String()
		case *dnsmessage.PTRResource:
			return r.PTR.String()
		}
		return m.Answers[0].Body.GoString()
	}
	a, ptr := dnsmessage.TypeA, dnsmessage.TypePTR
	for _, c := range []struct {
		name string
		kind dnsmessage.Type
		want string
	}{
		{"ip-10-0-0-9.ec2.internal.", a, "10.0.0.9"},
		{"ip-10-9-0-9.ec2.internal.", a, "NameError"},
		{"9.0.0.10.in-addr.arpa.", ptr, "ip-10-0-0-9.ec2.internal."},
		{"9.0.9.10.in-addr.arpa.", ptr, "Refused"},
		{"vpce-1.api.appstream.us-east-1.vpce.amazonaws.com.", a, "10.0.0.77"},
		{"vpce-2.api.appstream.us-east-1.vpce.amazonaws.com.", a, "NameError"},
		{"example.com.", a, "Refused"},
	} {
		if got := ask(c.name, c.kind); got != c.want {
			t.Errorf("%s is answered %s, want %s", c.name, got, c.want)
		}
	}
	h.on.Facts.Resolver = false
	if got := ask("ip-10-0-0-9.ec2.internal.", a); got != "nothing" {
		t.Errorf("a VPC without a resolver is answered %s", got)
	}
}
