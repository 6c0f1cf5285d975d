// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

// childEnv makes the test program do what another process would do: make an
// instance with user data, start a program in it and end.
const childEnv = "HEDGEWARD_TEST_CHILD"

func TestMain(m *testing.M) {
	if id := os.Getenv(childEnv); id != "" {
		os.Exit(child(id))
	}
	os.Exit(m.Run())
}

func child(id string) int {
	driver := NewNetns(Config{StateDir: os.Getenv("HEDGEWARD_TEST_STATE")})
	err := driver.Ensure(context.Background(), Spec{
		ID: id, FirstBoot: true, UserData: []byte("#!/bin/sh\nexec sleep 1001\n"),
	}, nil)
	if err == nil {
		_, err = Exec(context.Background(), id, []string{"sh", "-c", "sleep 1002 &"}, nil, os.Stdout, nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// residents returns the pids of the programs in an instance.
func (r *rig) residents(id string) (pids []int) {
	r.t.Helper()
	list, err := residents(r.inside(id).File)
	if err != nil {
		r.t.Fatal(err)
	}
	defer closeResidents(list)
	for _, p := range list {
		pids = append(pids, p.pid)
	}
	return pids
}

func TestProgramsOutliveTheProcess(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+s.ID, "HEDGEWARD_TEST_STATE="+r.state)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := r.host.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	pids := r.residents(s.ID)
	if len(pids) != 2 {
		t.Fatalf("programs in the instance: %v, want user data and the one in the background", pids)
	}
	if err := r.destroy(s.ID); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d outlives its instance", pid)
		}
	}
}

// alive reports whether there is such a process that is not a zombie.
func alive(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil
}

func TestDestroyEndsOnlyItsOwn(t *testing.T) {
	r := newRig(t)
	s, other := r.spec(4), r.spec(5)
	r.mustEnsure(s)
	r.mustEnsure(other)
	ready, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	lines := bufio.NewReader(ready)
	start := func(ns *testnet.NS, script string) *exec.Cmd {
		t.Helper()
		cmd := exec.Command("sh", "-c", script)
		cmd.Stdout = out
		if err := ns.Start(cmd); err != nil {
			t.Fatal(err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	const plain = "echo ready; exec sleep 1000"
	bystanders := []*exec.Cmd{
		start(testnet.Host(t), plain), start(r.host, plain), start(testnet.New(t), plain), start(r.inside(other.ID), plain),
	}
	polite := start(r.inside(s.ID), "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 1000 & wait; done")
	stubborn := start(r.inside(s.ID), "trap '' TERM; echo ready; while :; do sleep 1000; done")
	out.Close()

	if err := r.destroy(s.ID); err != nil {
		t.Fatal(err)
	}
	if err := polite.Wait(); err != nil {
		t.Errorf("a program that obeys TERM was not let end: %v", err)
	}
	err = stubborn.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.String() != "signal: killed" {
		t.Errorf("a program that ignores TERM: %v", err)
	}
	for i, cmd := range bystanders {
		if !alive(cmd.Process.Pid) {
			t.Errorf("bystander %d was killed", i)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != "bye\n" {
		t.Errorf("output %q, %v", rest, err)
	}
	r.check(other)
}

func TestDestroyWithoutPatience(t *testing.T) {
	r := newRig(t)
	r.driver = NewNetns(Config{StateDir: r.state, StopGrace: time.Hour})
	s := r.spec(4)
	r.mustEnsure(s)
	if status, _, _ := r.run(s.ID, "sh", "-c", "trap '' TERM; sleep 1000 >/dev/null 2>&1 &"); status != 0 {
		t.Fatalf("status %d", status)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var err error
	r.host.Do(func() { err = r.driver.Destroy(ctx, s.ID) })
	if err != nil {
		t.Error(err)
	}
	if found := r.list(s.ID); len(found) != 0 {
		t.Errorf("list: %+v", found)
	}
}

func TestUserDataRunsOnce(t *testing.T) {
	r := newRig(t)
	s := r.spec(4)
	s.UserData = []byte("#!/bin/sh\necho run\n")
	dir := filepath.Join(r.state, "instances", s.ID)

	r.mustEnsure(s) // not the first boot
	if _, err := os.Stat(filepath.Join(dir, "user-data.log")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("user data ran without a first boot: %v", err)
	}
	s.FirstBoot = true
	for range 3 {
		r.mustEnsure(s)
		r.awaitResidents(s.ID)
		r.restart()
	}
	if err := r.destroy(s.ID); err != nil {
		t.Fatal(err)
	}
	r.mustEnsure(s) // stopped and started again
	r.awaitResidents(s.ID)
	if log, err := os.ReadFile(filepath.Join(dir, "user-data.log")); err != nil || string(log) != "run\n" {
		t.Errorf("log %q, %v; want one run", log, err)
	}
	info, err := os.Stat(filepath.Join(dir, "user-data"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("script: %v, %v", info, err)
	}
	if err := r.driver.Forget(s.ID); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder after forget: %v", err)
	}
}

// awaitResidents waits until no program is left in an instance.
func (r *rig) awaitResidents(id string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	for ctx.Err() == nil {
		list, err := residents(r.inside(id).File)
		if err != nil {
			r.t.Fatal(err)
		}
		awaitEnd(ctx, list, soon)
		closeResidents(list)
		if len(list) == 0 {
			return
		}
	}
	r.t.Fatalf("programs do not end in %s", id)
}

func TestUserDataOutput(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct{ script, log string }{
		"output":         {"#!/bin/sh\necho on $HOSTNAME; echo in $(ls /sys/class/net) >&2; pwd\n", "on ip-10-9-0-4\nin eth0 lo\n/\n"},
		"no interpreter": {"#!/no/such/shell\n", "cannot be executed"},
		"no script":      {"#cloud-config\n", ""},
		"empty":          {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := r.spec(4)
			s.FirstBoot, s.UserData = true, []byte(c.script)
			r.mustEnsure(s)
			r.awaitResidents(s.ID)
			log, err := os.ReadFile(filepath.Join(r.state, "instances", s.ID, "user-data.log"))
			if c.log == "" {
				if !errors.Is(err, os.ErrNotExist) {
					t.Errorf("log %q, %v; want none", log, err)
				}
				return
			}
			if !strings.Contains(string(log), c.log) {
				t.Errorf("log %q, %v; want %q", log, err, c.log)
			}
		})
	}
}

func TestUserDataHasItsOwnSession(t *testing.T) {
	r := newRig(t)
	t.Chdir(t.TempDir())
	r.state = "relative"
	r.restart()
	s := r.spec(4)
	s.FirstBoot, s.UserData = true, []byte("#!/bin/sh\nexec sleep 1000\n")
	r.mustEnsure(s)
	pids := r.residents(s.ID)
	if len(pids) != 1 {
		t.Fatalf("programs in the instance: %v", pids)
	}
	if sid, err := unix.Getsid(pids[0]); err != nil || sid != pids[0] {
		t.Errorf("session %d, %v; want its own, %d", sid, err, pids[0])
	}
}

func TestAwaitEndObeysContext(t *testing.T) {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(self)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	awaitEnd(ctx, []resident{{os.Getpid(), self}}, time.Hour)
	if took := time.Since(start); took > soon {
		t.Errorf("waited %s", took)
	}
}
