// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ledger notes who claims and releases what.
type ledger struct {
	claims   []Claim
	released []string
	answer   error
}

func (l *ledger) Claim(_ context.Context, host string, c Claim) (string, error) {
	l.claims = append(l.claims, c)
	return "eni-of-" + host, l.answer
}

func (l *ledger) Release(_ context.Context, host, eni string, done bool) (bool, error) {
	said := map[bool]string{false: " gives up ", true: " has given up "}[done]
	l.released = append(l.released, host+said+eni)
	return !done, l.answer
}

// TestClaimsArriveInTheNameOfWhoAsks: a claim survives the wire as it is, the host is
// who the certificate says, and a refusal comes back with its code.
func TestClaimsArriveInTheNameOfWhoAsks(t *testing.T) {
	w, l := newWorld(), &ledger{}
	w.change("a", func(*feed.State) {})
	r := newReplica(t, w, func(c *ServerConfig) { c.Claims = l })
	c, _ := startClient(t, "a", newAgent(), nil, r)
	until(t, func() bool { return c.Status().Server != "" })
	want := []Claim{
		{Interface: "eni-1", Device: "tap0", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}},
		{Device: "eth0", Own: true, For: "machine/7", Made: Made{
			Subnet: "subnet-1", Groups: []string{"web", "two words"}, Description: "a NIC",
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("2001:db8::1")},
		}},
	}
	for _, claim := range want {
		if eni, err := c.Claim(t.Context(), claim); eni != "eni-of-a" || err != nil {
			t.Errorf("answered %q, %v", eni, err)
		}
	}
	if diff := cmp.Diff(want, l.claims, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("a claim changes on its way (-said +heard)\n%s", diff)
	}
	for _, done := range []bool{false, true} {
		if pending, err := c.Release(t.Context(), "eni-1", done); pending == done || err != nil {
			t.Errorf("done %v: pending %v, %v", done, pending, err)
		}
	}
	if got := strings.Join(l.released, ", "); got != "a gives up eni-1, a has given up eni-1" {
		t.Error(got)
	}

	for what, bad := range map[string]Claim{
		"no device": {Interface: "eni-1"}, "a short MAC address": {Interface: "eni-1", Device: "tap0", MAC: net.HardwareAddr{1}},
		"no interface and no subnet": {Device: "tap0"},
		"what cannot be told on":     {Interface: "eni-1", Device: "tap0", For: "two words"},
		"too many groups":            {Device: "tap0", Made: Made{Subnet: "subnet-1", Groups: make([]string, maxClaimed+1)}},
	} {
		if _, err := c.Claim(t.Context(), bad); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.Release(t.Context(), "", false); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a release of nothing: %v", err)
	}
	if len(l.claims) != 2 || len(l.released) != 2 || r.refusals(RefusedMalformed) != 6 {
		t.Errorf("%d claims, %d releases, %d refused", len(l.claims), len(l.released), r.refusals(RefusedMalformed))
	}

	l.answer = secgroup.Errorf("InvalidNetworkInterface.InUse", "Another has it.")
	_, err := c.Claim(t.Context(), want[0])
	_, err2 := c.Release(t.Context(), "eni-1", false)
	for _, err := range []error{err, err2} {
		if no := new(secgroup.Error); !errors.As(err, &no) || no.Code != "InvalidNetworkInterface.InUse" || no.Message != "Another has it." {
			t.Errorf("refused with %v", err)
		}
	}
	if n := r.refusals(RefusedForeign); n != 0 {
		t.Errorf("%d refusals count as of others' interfaces", n)
	}
	l.answer = errors.Join(l.answer, ErrForeign) // the same answer, and it is noted
	_, err = c.Claim(t.Context(), want[0])
	_, err2 = c.Release(t.Context(), "eni-1", false)
	for _, err := range []error{err, err2} {
		if no := new(secgroup.Error); !errors.As(err, &no) || no.Message != "Another has it." {
			t.Errorf("refused with %v", err)
		}
	}
	if n := r.refusals(RefusedForeign); n != 2 {
		t.Errorf("a claim and a release of others' interfaces are counted %d times", n)
	}
	l.answer = errors.New("the store is away") // which is no business of hosts
	if _, err := c.Claim(t.Context(), want[0]); connect.CodeOf(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "store") {
		t.Errorf("unavailable: %v", err)
	}
}
