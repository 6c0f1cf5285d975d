// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/test/rig"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// played is what a run of a playbook did, as Ansible's JSON output says it.
type played struct {
	Plays []struct {
		Tasks []struct {
			Task  struct{ Name string }
			Hosts map[string]struct{ Changed bool }
		}
	}
}

// play runs a playbook of testdata, wants every task to succeed, and returns the
// tasks that changed something and those that did not.
func play(t *testing.T, c rig.Tool, playbook string, more ...string) (changed, unchanged []string) {
	t.Helper()
	out, status := c.Run(t, "ansible-playbook", append([]string{"-i", "localhost,", playbook}, more...)...)
	if status != 0 {
		t.Fatalf("%s ends with status %d:\n%s", playbook, status, out)
	}
	var p played
	if err := json.Unmarshal([]byte(out[max(0, strings.IndexByte(out, '{')):]), &p); err != nil {
		t.Fatalf("%s: %v\n%s", playbook, err, out)
	}
	for _, task := range p.Plays[0].Tasks {
		if task.Hosts["localhost"].Changed {
			changed = append(changed, task.Task.Name)
		} else {
			unchanged = append(unchanged, task.Task.Name)
		}
	}
	return changed, unchanged
}

// TestAnsible plays a playbook twice, then a changed one, then one that takes
// everything away.
func TestAnsible(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Fatal("there is no ansible-playbook on this machine: run make setup, or install ansible and python3-boto3")
	}
	folder, err := filepath.Abs("testdata/ansible")
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	c := rig.Tool{Dir: folder, Limit: 3 * time.Minute, Environ: rig.Shared(t).API.Environ(
		"AWS_URL="+rig.Shared(t).API.Endpoint, "AWS_REGION=us-east-1", // no profile names an endpoint to older boto3
		"ANSIBLE_STDOUT_CALLBACK=json", "ANSIBLE_PYTHON_INTERPRETER="+python3, "ANSIBLE_PIPELINING=1",
		"ANSIBLE_LOCAL_TEMP="+scratch, "ANSIBLE_REMOTE_TEMP="+scratch, "ANSIBLE_HOME="+scratch,
	)}
	if changed, unchanged := play(t, c, "site.yml"); len(changed) != 6 || len(unchanged) > 0 {
		t.Errorf("first run: changed %q, unchanged %q; want all six changed", changed, unchanged)
	}
	if changed, _ := play(t, c, "site.yml"); len(changed) > 0 {
		t.Errorf("second run: %q changed", changed)
	}
	second := []string{"-e", `{"second": true}`}
	if changed, unchanged := play(t, c, "site.yml", second...); len(changed) != 6 {
		t.Errorf("changed playbook: %q are unchanged", unchanged)
	}
	if changed, _ := play(t, c, "site.yml", second...); len(changed) > 0 {
		t.Errorf("second run of the changed playbook: %q changed", changed)
	}
	if _, unchanged := play(t, c, "gone.yml"); len(unchanged) != 2 { // the two that look something up
		t.Errorf("taken away: %q are unchanged", unchanged)
	}
}
