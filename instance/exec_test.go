// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// run executes a command in an instance and returns its status and output.
func (r *rig) run(id string, argv ...string) (status int, stdout, stderr string) {
	r.t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	status, err := Exec(ctx, id, argv, nil, &out, &errs)
	if err != nil {
		r.t.Fatal(err)
	}
	return status, out.String(), errs.String()
}

func TestExecStatus(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	r.mustEnsure(s)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		argv   []string
		status int
		stderr string
	}{
		{[]string{"true"}, 0, ""},
		{[]string{"sh", "-c", "exit 7"}, 7, ""},
		{[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{[]string{"no-such-command"}, 127, "no-such-command: command not found"},
		{[]string{"/no/such/command"}, 127, "/no/such/command: command not found"},
		{[]string{plain}, 126, plain + ": cannot be executed"},
	} {
		status, _, stderr := r.run(s.ID, c.argv...)
		if status != c.status || !strings.Contains(stderr, c.stderr) || (c.stderr == "") != (stderr == "") {
			t.Errorf("%v: status %d, stderr %q; want %d, %q", c.argv, status, stderr, c.status, c.stderr)
		}
	}
	if _, err := Exec(context.Background(), randomID("i-"), []string{"true"}, nil, nil, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent instance: %v", err)
	}
	for id, argv := range map[string][]string{"i-../x": {"true"}, s.ID: nil} {
		if _, err := Exec(context.Background(), id, argv, nil, nil, nil); err == nil {
			t.Errorf("exec %v in %q: no error", argv, id)
		}
	}
	checkThreads(t)
}

func TestExecSeesInstance(t *testing.T) {
	r := newRig(t)
	s := r.spec(4, 5)
	r.mustEnsure(s)
	_, devices, _ := r.run(s.ID, "ls", "/sys/class/net")
	if devices != "eth0\neth1\nlo\n" {
		t.Errorf("devices in /sys: %q", devices)
	}
	if _, groups, _ := r.run(s.ID, "ls", "/sys/fs/cgroup"); groups == "" {
		t.Error("no cgroups in /sys")
	}
	if _, host, _ := r.run(s.ID, "sh", "-c", "echo $HOSTNAME"); host != s.Hostname+"\n" {
		t.Errorf("HOSTNAME is %q, want %q", host, s.Hostname)
	}
	s.Hostname = "renamed"
	r.mustEnsure(s)
	if _, host, _ := r.run(s.ID, "sh", "-c", "echo $HOSTNAME"); host != "renamed\n" {
		t.Errorf("HOSTNAME is %q, want renamed", host)
	}
	var out bytes.Buffer
	status, err := Exec(context.Background(), s.ID, []string{"cat"}, strings.NewReader("through"), &out, nil)
	if status != 0 || err != nil || out.String() != "through" {
		t.Errorf("cat: %d, %v, %q", status, err, out.String())
	}
	if devices, err := os.ReadDir("/sys/class/net"); err != nil || len(devices) == 3 && devices[0].Name() == "eth0" && devices[1].Name() == "eth1" {
		t.Errorf("the host's /sys shows the instance: %v, %v", devices, err)
	}
}

func TestExecEndsWithContext(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	r.mustEnsure(s)
	for script, want := range map[string]int{
		"echo ready; exec sleep 1000":                       128 + 15,
		"trap 'exit 3' TERM; echo ready; sleep 1000 & wait": 3,
		"trap '' TERM; echo ready; exec sleep 1000":         128 + 9,
	} {
		ready, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		go func() {
			_, _ = bufio.NewReader(ready).ReadString('\n')
			cancel()
		}()
		status, err := Exec(ctx, s.ID, []string{"sh", "-c", script}, nil, out, nil)
		if status != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", script, status, err, want)
		}
		cancel()
		out.Close()
		ready.Close()
	}
}

func TestExecLeavesBackgroundRunning(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	r.mustEnsure(s)
	start := time.Now()
	status, out, _ := r.run(s.ID, "sh", "-c", "sleep 1000 & echo $!")
	if status != 0 || strings.TrimSpace(out) == "" {
		t.Fatalf("status %d, output %q", status, out)
	}
	if took := time.Since(start); took > soon/2 {
		t.Errorf("exec waited %s for the program in the background", took)
	}
	if pids := r.residents(s.ID); len(pids) != 1 {
		t.Errorf("programs in the instance: %v, want the one of pid %s", pids, out)
	}
}
