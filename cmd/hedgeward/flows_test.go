// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/datapath"
)

// cutter is an operator that notes what it shall cut.
type cutter struct {
	operator
	cut []datapath.Filter
}

func (c *cutter) CutFlows(f datapath.Filter) (int, error) {
	c.cut = append(c.cut, f)
	return len(c.cut), nil
}

// TestFlowFiltersOverTheSocket takes the flags of `flows cut` the way to the
// server: what arrives is what was meant, and what means nothing is refused
// before anything is cut.
func TestFlowFiltersOverTheSocket(t *testing.T) {
	st := &state{dir: t.TempDir()}
	l, err := st.listenSocket()
	if err != nil {
		t.Fatal(err)
	}
	op := &cutter{}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() {
		defer close(served)
		serveSocket(ctx, l, op, func(context.Context) error { return nil })
	}()
	t.Cleanup(func() { cancel(); <-served })

	for _, tt := range []struct {
		flags flowFilter
		want  datapath.Filter
		err   string
	}{
		{flags: flowFilter{eni: "eni-1"}, want: datapath.Filter{Interface: "eni-1"}},
		{
			flags: flowFilter{eni: "eni-1", peer: "10.0.0.7", proto: "udp", port: 53},
			want:  datapath.Filter{Interface: "eni-1", Peer: netip.MustParsePrefix("10.0.0.7/32"), Protocol: 17, Port: 53},
		},
		{
			flags: flowFilter{eni: "eni-1", peer: "2001:db8::/48", proto: "47"},
			want:  datapath.Filter{Interface: "eni-1", Peer: netip.MustParsePrefix("2001:db8::/48"), Protocol: 47},
		},
		{flags: flowFilter{}, err: "--eni eni-"},
		{flags: flowFilter{eni: "eni-1", peer: "db"}, err: `--peer "db" is neither`},
		{flags: flowFilter{eni: "eni-1", proto: "256"}, err: `--proto "256" is neither`},
	} {
		before := len(op.cut)
		var n int
		err := st.ask(t.Context(), "POST", "/flows/cut?"+tt.flags.query(), &n)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || len(op.cut) != before {
				t.Errorf("%+v: %v, want %q and nothing cut", tt.flags, err, tt.err)
			}
			continue
		}
		if err != nil || n != before+1 || op.cut[before] != tt.want {
			t.Errorf("%+v: %v, %d, cut %+v, want %+v", tt.flags, err, n, op.cut, tt.want)
		}
	}
	if err := flowsCutCommand(&state{dir: t.TempDir()}).RunE(nil, nil); err == nil || !strings.Contains(err.Error(), "--eni") {
		t.Errorf("without an interface: %v", err)
	}
}
