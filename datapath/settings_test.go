// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"flag"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// TestFlagsAreTheSettings: every point of docs/spec/packet-semantics.md that can be
// set has a flag, and leaving all out is what the specification says by default.
func TestFlagsAreTheSettings(t *testing.T) {
	for _, c := range []struct {
		args []string
		want datapath.Settings
	}{
		{nil, datapath.Settings{}},
		{[]string{"-icmp-related=on", "-icmp-path-mtu=on", "-fragments=reassemble"}, datapath.Settings{}},
		{[]string{"-icmp-related=off"}, datapath.Settings{NoRelated: true}},
		{[]string{"-icmp-path-mtu=off"}, datapath.Settings{NoPathMTU: true}},
		{[]string{"-fragments=context", "-fragment-limit=1024"}, datapath.Settings{FragmentContext: true, FragmentLimit: 1024}},
		{[]string{"-ct-grace=30s"}, datapath.Settings{Grace: 30 * time.Second}},
	} {
		var got datapath.Settings
		f := flag.NewFlagSet("", flag.ContinueOnError)
		got.Flags(f)
		if err := f.Parse(c.args); err != nil || got != c.want {
			t.Errorf("%q: %+v, %v; want %+v", c.args, got, err, c.want)
		}
	}
	for _, bad := range []string{"-icmp-related=maybe", "-fragments=on", "-ct-grace=30"} {
		f := flag.NewFlagSet("", flag.ContinueOnError)
		f.SetOutput(discard{})
		new(datapath.Settings).Flags(f)
		if f.Parse([]string{bad}) == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// TestSettingsOutliveTheProcess: PKT-L06. Nobody needs to be running for packets to
// be judged as they were set to be; but whom fragments were handed to is gone.
func TestSettingsOutliveTheProcess(t *testing.T) {
	l := newLab(t)
	l.SetPolicy(l.a, serverRules)
	if !l.Fresh() {
		t.Error("the first datapath is not fresh")
	}
	if err := l.Configure(datapath.Settings{NoRelated: true}); err != nil {
		t.Fatal(err)
	}
	if err := l.HandTo(1); err != nil {
		t.Fatal(err)
	}
	for _, e := range serverOpen {
		e(t, l)
	}
	quoted := tcp(server, sc, "A").Bytes[14 : 14+28]
	about := bpftest.IP(h2, a1, 1, append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, quoted...))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Open()
	if l.Fresh() {
		t.Error("what was pinned counts as fresh")
	}
	in(about, flow.ReasonNoRule)(t, l)
	if err := l.Configure(datapath.Settings{}); err != nil {
		t.Fatal(err)
	}
	in(about, flow.ReasonRelated)(t, l)
	later := tcp(sc, server, "A").With(14+6, 0, 100) // offset 800, nothing of it came before
	in(later, flow.ReasonFragNoContext)(t, l)
}
