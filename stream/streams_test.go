// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
)

// studio notes what gateways and instances of hosts say.
type studio struct {
	heard  []string
	answer error
}

func (s *studio) note(format string, args ...any) {
	s.heard = append(s.heard, fmt.Sprintf(format, args...))
}

func (s *studio) OpenStream(_ context.Context, host, parameters string, by secgroup.Door) (*secgroup.Stream, error) {
	s.note("%s opens %s by %v", host, parameters, by)
	return &secgroup.Stream{Session: "s-1", Instance: "i-1", Address: netip.MustParseAddr("198.19.0.7"), Protocol: "udp", Ready: true}, s.answer
}

func (s *studio) ReportStreams(_ context.Context, host, reached string, watched []secgroup.Watched, by secgroup.Door) ([]string, error) {
	s.note("%s at %q has %v by %v", host, reached, watched, by)
	return []string{"s-1"}, s.answer
}

func (s *studio) ReportJoin(_ context.Context, host, instance, trouble string) error {
	s.note("%s: %s %q", host, instance, trouble)
	return s.answer
}

// TestGatewaysAskInTheNameOfTheirHost: what streaming programs ask survives the wire,
// the host is who the certificate says, and what is no question of ours is refused.
func TestGatewaysAskInTheNameOfTheirHost(t *testing.T) {
	w, s := newWorld(), &studio{}
	w.change("a", func(*feed.State) {})
	r := newReplica(t, w, func(c *ServerConfig) { c.Streams = s })
	c, _ := startClient(t, "a", newAgent(), nil, r)
	until(t, func() bool { return c.Status().Server != "" })
	ctx := t.Context()
	door := secgroup.Door{Endpoint: "vpce-1", Address: netip.MustParseAddr("10.0.0.9")}

	got, err := c.OpenStream(ctx, "sealed", door)
	if want := (secgroup.Stream{Session: "s-1", Instance: "i-1", Address: netip.MustParseAddr("198.19.0.7"), Protocol: "udp", Ready: true}); err != nil || *got != want {
		t.Errorf("opened %+v, %v", got, err)
	}
	leave, err := c.ReportStreams(ctx, "192.0.2.1:8443", []secgroup.Watched{{Session: "s-1", Idle: 90 * time.Second}, {Session: "s-2"}}, secgroup.Door{})
	if err != nil || !slices.Equal(leave, []string{"s-1"}) {
		t.Errorf("%v have to leave, %v", leave, err)
	}
	if err := c.ReportJoin(ctx, "i-1", "no controller"); err != nil {
		t.Error(err)
	}
	want := []string{
		"a opens sealed by {vpce-1 10.0.0.9}", `a at "192.0.2.1:8443" has [{s-1 1m30s} {s-2 0s}] by { invalid IP}`, `a: i-1 "no controller"`,
	}
	if !slices.Equal(s.heard, want) {
		t.Errorf("heard %q\nwant  %q", s.heard, want)
	}

	for what, ask := range map[string]func() error{
		"an endpoint without an address": func() error { _, err := c.OpenStream(ctx, "sealed", secgroup.Door{Endpoint: "vpce-1"}); return err },
		"an address without an endpoint": func() error { _, err := c.OpenStream(ctx, "sealed", secgroup.Door{Address: door.Address}); return err },
		"a long URL":                     func() error { _, err := c.OpenStream(ctx, strings.Repeat("x", maxParameters+1), door); return err },
		"a gateway nowhere":              func() error { _, err := c.ReportStreams(ctx, "nowhere", nil, door); return err },
		"a session without a name":       func() error { _, err := c.ReportStreams(ctx, "", []secgroup.Watched{{}}, door); return err },
		"nobody joins":                   func() error { return c.ReportJoin(ctx, "", "") },
	} {
		if err := ask(); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(s.heard) != len(want) {
		t.Errorf("heard %q", s.heard[len(want):])
	}

	s.answer = ErrForeign
	_, err1 := c.OpenStream(ctx, "sealed", door)
	_, err2 := c.ReportStreams(ctx, "", nil, door)
	for _, err := range []error{err1, err2, c.ReportJoin(ctx, "i-1", "")} {
		if connect.CodeOf(err) != connect.CodePermissionDenied {
			t.Errorf("of another host: %v", err)
		}
	}
	if n := r.refusals(RefusedForeign); n != 3 {
		t.Errorf("%d refusals are counted as of what is another host's", n)
	}
	s.answer = secgroup.Errorf("ExpiredURL", "Too late.")
	_, err = c.OpenStream(ctx, "sealed", door)
	if no := new(secgroup.Error); !errors.As(err, &no) || no.Code != "ExpiredURL" || no.Message != "Too late." {
		t.Errorf("refused with %v", err)
	}
}
