// SPDX-License-Identifier: Apache-2.0

// Command scale measures one server with many hosts: a server process, and in this
// process as many agents as told, each with its own certificate and its own stream
// but with a kernel that only takes notes. It prints how long a change takes until
// every host that it concerns has acknowledged it, what that costs in bytes, CPU
// and memory, and how long a storm of reconnections lasts. docs/scale.md has the
// results. It is no test: no figure makes it fail, and it knows no rule of what it
// measures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options is what a run does.
type options struct {
	hosts, instances int
	changes          int
	parts            string

	interfaces, groups, largeHosts, tellers int    // of the part large
	program                                 string // hedgeward
	restarts, devices                       int    // of the part restart
	agent                                   string // hedgeward-agent
}

func main() {
	var o options
	flag.IntVar(&o.hosts, "hosts", 1000, "simulated hosts")
	flag.IntVar(&o.instances, "instances", 10000, "instances on them, each with one interface")
	flag.IntVar(&o.changes, "changes", 40, "changes of each kind")
	flag.StringVar(&o.parts, "parts", "stream,restart,large", "what to measure")
	flag.IntVar(&o.interfaces, "interfaces", 1000000, "interfaces in the large store")
	flag.IntVar(&o.groups, "groups", 10000, "groups in the large store")
	flag.IntVar(&o.largeHosts, "large-hosts", 5000, "hosts that the large store's instances are on")
	flag.IntVar(&o.tellers, "tellers", 50, "of those, the ones for which it is worked out what they are told")
	flag.IntVar(&o.restarts, "restarts", 5, "how often the agent is killed and started again")
	flag.IntVar(&o.devices, "devices", 1000, "devices on which it enforces interfaces")
	flag.StringVar(&o.program, "program", "", "the hedgeward to measure; by default it is built")
	flag.StringVar(&o.agent, "agent", "", "the hedgeward-agent to measure; by default it is built")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := &table{out: os.Stdout}
	var err error
	if strings.Contains(o.parts, "stream") {
		err = measureStream(ctx, o, t)
	}
	if err == nil && o.parts == inside {
		err = measureRestart(ctx, o, t)
	} else if err == nil && strings.Contains(o.parts, "restart") {
		err = restartInside(ctx)
	}
	if err == nil && strings.Contains(o.parts, "large") {
		err = measureLarge(ctx, o, t)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// measureStream runs a server and its hosts.
func measureStream(ctx context.Context, o options, t *table) (err error) {
	dir, err := os.MkdirTemp("", "hw-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := build(ctx, &o.program, dir, "hedgeward"); err != nil {
		return err
	}
	s, err := start(ctx, o.program, filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	fleet, err := joinAll(ctx, s, filepath.Join(dir, "hosts"), o.hosts)
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(ctx)
	defer fleet.wait()
	defer cancel()
	fleet.follow(run)
	if err := fleet.await(ctx, 1, fleet.hosts); err != nil {
		return err
	}
	return measure(ctx, o, s, fleet, t)
}

// build makes a program, unless there is one.
func build(ctx context.Context, program *string, dir, name string) error {
	if *program != "" {
		return nil
	}
	*program = filepath.Join(dir, name)
	if said, err := exec.CommandContext(ctx, "go", "build", "-o", *program, "./cmd/"+name).CombinedOutput(); err != nil {
		return fmt.Errorf("build %s (run this in the repository): %w\n%s", name, err, said)
	}
	return nil
}

// table prints lines as they come.
type table struct{ out io.Writer }

func (t *table) row(what, format string, values ...any) {
	fmt.Fprintf(t.out, "%-62s %s\n", what, fmt.Sprintf(format, values...))
}

// round shortens a duration to what is worth reading.
func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
