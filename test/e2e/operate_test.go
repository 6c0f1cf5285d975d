// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestFlowsAreListedAndCut: `hedgeward flows list` shows a live connection at
// both of its ends with the rule that admitted it, and what filters leave out;
// `flows cut` ends what it names and nothing else, so that with the rule revoked
// the next packet is refused; `hedgeward rules` has what the rule admitted, also
// when its flows are gone.
func TestFlowsAreListedAndCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "us-west-2", "10.46.0.0/16")
	in, out := w.group("in"), w.group("out")
	w.allow(in, permission("tcp", 80, 81, "10.46.0.0/16"))
	g := w.run(in, out)
	server, guest := g[0], g[1]
	server.listen(t, 80, 81)
	cut, kept := talk(t, guest, "tcp", server.ip, 80, ""), talk(t, guest, "tcp", server.ip, 81, "")
	check(t, "before", cut.goesOn(), kept.goesOn())

	list := func(eni string, args ...string) string {
		t.Helper()
		return w.s.Command(t, append([]string{"flows", "list", "--eni", eni}, args...)...)
	}
	line := func(local, remote, started string) *regexp.Regexp {
		return regexp.MustCompile(fmt.Sprintf(`(?m)^tcp +%s +%s +%s +established +\d+s +[1-9]\d*/[1-9]\d* +\d+/\d+ +(sgr-[0-9a-f]+)$`, local, remote, started))
	}
	client := regexp.QuoteMeta(guest.ip) + `:\d+`
	there := line(regexp.QuoteMeta(server.ip+":80"), client, "from there")
	all := list(server.eni)
	found := there.FindStringSubmatch(all)
	if found == nil || strings.Count(all, "from there") != 2 {
		t.Fatalf("the server's flows:\n%s", all)
	}
	if all := list(guest.eni); !line(client, regexp.QuoteMeta(server.ip+":80"), "from here").MatchString(all) {
		t.Errorf("the client's flows:\n%s", all)
	}
	for _, f := range []struct {
		args []string
		want int
	}{
		{[]string{"--port", "80"}, 1}, {[]string{"--port", "82"}, 0}, {[]string{"--proto", "tcp"}, 2}, {[]string{"--proto", "udp"}, 0},
		{[]string{"--peer", guest.ip}, 2}, {[]string{"--peer", "10.46.1.0/24", "--port", "81"}, 1}, {[]string{"--peer", "192.0.2.0/24"}, 0},
	} {
		if text := list(server.eni, f.args...); strings.Count(text, "established") != f.want {
			t.Errorf("%v: want %d flows:\n%s", f.args, f.want, text)
		}
	}

	used := regexp.MustCompile(fmt.Sprintf(`(?m)^%s +[1-9]\d* +[1-9]\d* +2 +(\d) +\d+s ago$`, found[1]))
	if m := used.FindStringSubmatch(w.s.Command(t, "rules")); m == nil || m[1] != "2" {
		t.Errorf("rules do not show two live flows of %s:\n%s", found[1], w.s.Command(t, "rules"))
	}
	w.revoke(in, permission("tcp", 80, 81, "10.46.0.0/16"))
	w.s.Settle(t)
	check(t, "revoked", cut.goesOn(), kept.goesOn())
	if said := w.s.Command(t, "flows", "cut", "--eni", server.eni, "--port", "80"); !strings.Contains(said, "flows cut: 1") {
		t.Errorf("flows cut says %s", said)
	}
	check(t, "cut", dropped(cut.goesOn()), kept.goesOn())
	if text := list(server.eni, "--port", "80"); strings.Contains(text, "established") {
		t.Errorf("a flow that was cut is listed:\n%s", text)
	}
	if m := used.FindStringSubmatch(w.s.Command(t, "rules")); m == nil || m[1] != "1" {
		t.Errorf("rules do not show two flows of %s, one of them live:\n%s", found[1], w.s.Command(t, "rules"))
	}
}
