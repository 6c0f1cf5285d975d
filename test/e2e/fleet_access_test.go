// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFleetsAskPolicies lets a user see fleets and start those with one tag.
func TestFleetsAskPolicies(t *testing.T) {
	t.Parallel()
	f := newStudio(t, "access")
	mine, others := f.asked("mine"), f.asked("others")
	mine.Tags = map[string]string{"team": "red"}
	f.create(mine)
	f.create(others)
	file := filepath.Join(t.TempDir(), "policy.json")
	err := os.WriteFile(file, []byte(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "appstream:Describe*", "Resource": "*"},
		{"Effect": "Allow", "Action": ["appstream:StartFleet", "appstream:StopFleet"], "Resource": "arn:aws:appstream:*:*:fleet/access*",
		 "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f.s.Command(t, "access", "policy", "put", "fleets", file)
	f.s.Command(t, "access", "user", "create", "streamer", "--policy", "fleets")
	key := strings.Fields(f.s.Command(t, "access", "key", "create", "streamer"))
	var id, secret string
	for _, word := range key {
		switch {
		case strings.HasPrefix(word, "AKIA"):
			id = word
		case len(word) == 40:
			secret = word
		}
	}
	environ := []string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret}
	call := func(args ...string) []string { return append([]string{"appstream", "--region", studioRegion}, args...) }
	out, errs, status := f.s.API.CLI(t, environ, call("describe-fleets", "--names", *mine.Name)...)
	if status != 0 || !strings.Contains(out, *mine.Name) {
		t.Errorf("describe-fleets: status %d: %s", status, errs)
	}
	if _, errs, status := f.s.API.CLI(t, environ, call("start-fleet", "--name", *mine.Name)...); status != 0 {
		t.Errorf("start-fleet: status %d: %s", status, errs)
	}
	f.awaitFleetStarted(*mine.Name)
	for _, args := range [][]string{{"start-fleet", "--name", *others.Name}, {"delete-fleet", "--name", *mine.Name}} {
		_, errs, status := f.s.API.CLI(t, environ, call(args...)...)
		if status == 0 || !strings.Contains(errs, "AccessDeniedException") || !strings.Contains(errs, "user/streamer is not authorized to perform: appstream:") {
			t.Errorf("%s: status %d: %s", args[0], status, errs)
		}
	}
	if got := f.fleet(*others.Name).State; got != "STOPPED" {
		t.Errorf("a refused start leaves the fleet %s", got)
	}
	f.stopFleet(*mine.Name)
}
