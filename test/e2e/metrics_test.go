// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestMetricsCountWhatHappens scrapes a server before and after a packet that was
// dropped and a call that was refused.
func TestMetricsCountWhatHappens(t *testing.T) {
	t.Parallel()
	s := rig.New(t)
	s.Interrupt(t)
	s.Start(t, "--metrics", "127.0.0.1:0")
	url := regexp.MustCompile(`metrics +(http://\S+)`).FindStringSubmatch(s.Said())
	if url == nil {
		t.Fatalf("up does not say where the metrics are:\n%s", s.Said())
	}
	scrape := func() string {
		t.Helper()
		resp, err := http.Get(url[1])
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("scrape: %s, %v: %s", resp.Status, err, b)
		}
		return string(b)
	}
	want := func(page, line string) {
		t.Helper()
		if !regexp.MustCompile("(?m)^" + line + "$").MatchString(page) {
			t.Errorf("no line %s in\n%s", line, page)
		}
	}
	w := newWorld(t, s, "us-east-1", "10.9.0.0/16")
	g := w.run(w.group("one"), w.group("two"))
	check(t, "no rule", dropped(connects(g[0], "tcp", g[1].ip, 80)))
	_, err := w.api.DeleteSecurityGroup(t.Context(), nil)
	rig.WantCode(t, "a group without a name", err, "MissingParameter")
	s.Settle(t)

	page := scrape()
	want(page, `hedgeward_interfaces\{state="enforced"\} 2`)
	want(page, `hedgeward_faults 0`)
	want(page, fmt.Sprintf(`hedgeward_interface_packets_total\{direction="ingress",interface="%s",reason="no_rule",verdict="reject"\} [1-9]\d*`, g[1].eni))
	want(page, `hedgeward_api_call_duration_seconds_count\{code="MissingParameter",operation="DeleteSecurityGroup",service="ec2"\} 1`)
	stored := regexp.MustCompile(`(?m)^hedgeward_store_revision (\S+)$`).FindStringSubmatch(page)
	if stored == nil {
		t.Fatal("no revision")
	}
	want(page, "hedgeward_enforced_revision "+regexp.QuoteMeta(stored[1]))

	taken := regexp.MustCompile(`\d+\.\d+\.\d+\.\d+:\d+`).FindString(url[1])
	state := filepath.Join(t.TempDir(), "state")
	upFails(t, state, upOn(t, state, "--metrics", taken), taken, "address already in use", "--metrics")
}
