// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestWhySaysWhatHappens asks about connections and makes them: the answer and
// what becomes of them are the same, before and after the rule that was missed
// by its port is joined by the right one.
func TestWhySaysWhatHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rig.Shared(t), "ca-central-1", "10.44.0.0/16")
	web, db := w.group("web"), w.group("db")
	w.allow(db, permission("tcp", 5433, 5433, web))
	g := w.run(web, db)
	from, to := g[0], g[1]
	to.listen(t, 5432)
	to.listen(t, 5433)
	ask := func(port string, args ...string) (string, int) {
		t.Helper()
		args = append([]string{"why", "--state", w.s.State, "--from", from.id, "--to", to.ip, "--proto", "tcp", "--port", port}, args...)
		out, code, err := rig.Run(args...)
		if err != nil {
			t.Fatal(err)
		}
		return out, code
	}

	w.s.Settle(t)
	out, code := ask("5432")
	if code != 2 || !strings.Contains(out, "DROPPED") || !strings.Contains(out, "no_rule") || !strings.Contains(out, "  port  sgr-") ||
		!strings.Contains(out, "peer: "+web+", TCP, from port: 5433, to port: 5433") {
		t.Errorf("status %d: %s", code, out)
	}
	check(t, "5432", dropped(connects(from, "tcp", to.ip, 5432)))
	if out, code = ask("5433", "--eni", to.eni, "--json"); code != 0 || !strings.Contains(out, `"passes": true`) || strings.Contains(out, `"egress"`) {
		t.Errorf("status %d: %s", code, out)
	}
	check(t, "5433", connects(from, "tcp", to.ip, 5433))

	w.allow(db, permission("tcp", 5432, 5432, web))
	w.s.Settle(t)
	if out, code = ask("5432"); code != 0 || !strings.HasPrefix(out, "PASSES: "+from.ip+" "+from.eni+" "+from.id+" -> "+to.ip) {
		t.Errorf("status %d: %s", code, out)
	}
	check(t, "5432 allowed", connects(from, "tcp", to.ip, 5432))
	w.s.Refuses(t, []string{"10.44.250.1", "is an address of an interface here"}, "why", "--from", "10.44.250.1", "--to", "203.0.113.1", "--proto", "udp", "--port", "1")
}
