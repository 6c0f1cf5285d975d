// SPDX-License-Identifier: Apache-2.0

// Command bench measures this tree on this machine and prints ratios: traffic
// between two instances against plain forwarding and nftables, the programs
// alone, the API, and how long a change takes until it is enforced. How, and how
// to read it: docs/benchmarks.md.
//
// Everything happens in network namespaces of its own and in a state folder and
// pins that carry its process id; nothing of the host is changed. It is no test:
// no figure makes it fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/instance"
)

const (
	bpffs  = "/sys/fs/bpf"
	prefix = "hedgeward-bench-" // of pins and state folders; the process id follows
)

// options is what a run does.
type options struct {
	rounds  int
	slice   time.Duration // of a load that is bounded in time
	packets int           // of a load that is bounded in count
	runs    int           // of a program, per measurement
	rules   []int         // R
	members []int         // M
	groups  []int         // in the store when the API is measured

	groupRules []int // of each of them; all but the first with the last number of groups alone

	changes int    // until enforced, per size
	parts   string // any of "traffic", "kernel", "memory", "updates", "api", "changes"
	against string // whose traffic is compared, beside plain forwarding
	full    bool   // every rival with every M
	cpu     int    // for both ends
	profile string // where CPU profiles go, "" for nowhere
	short   bool
}

func parse(args []string) (options, error) {
	o := options{runs: 200000}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	rules, members, groups, groupRules := "0,10,60,300,1000", "10,1000,100000", "1000,10000", "1,60"
	f.IntVar(&o.rounds, "rounds", 5, "rounds of traffic; at least 5 for a result")
	f.DurationVar(&o.slice, "slice", 120*time.Millisecond, "length of a load that is bounded in time; others may take twice as long")
	f.IntVar(&o.packets, "packets", 20000, "packets of a load that is bounded in count")
	f.IntVar(&o.changes, "changes", 100, "changes of each kind and size until a packet sees them")
	f.StringVar(&rules, "rules", rules, "rules per direction that match nothing, a list")
	f.StringVar(&members, "members", members, "members of the groups that rules name, a list")
	f.StringVar(&groups, "groups", groups, "groups in the store when the API is measured, a list")
	f.StringVar(&groupRules, "group-rules", groupRules, "rules of each group then, a list; all but the first with the last number of groups")
	f.StringVar(&o.parts, "parts", "traffic,kernel,memory,updates,api,changes", "what to measure")
	f.StringVar(&o.against, "contenders", "nftables,OpenStack,Calico,hedgeward", "whose traffic is compared with plain forwarding")
	f.BoolVar(&o.full, "full", false, "every contender with every M, not the last alone")
	f.IntVar(&o.cpu, "cpu", 0, "CPU of both ends of the traffic")
	f.StringVar(&o.profile, "profile", "", "folder for CPU profiles of the parts api and changes")
	f.BoolVar(&o.short, "short", false, "everything once and briefly: shows that it works, measures nothing")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.short {
		o.rounds, o.slice, o.packets, o.runs, o.changes = 1, 10*time.Millisecond, 2000, 2000, 3
		rules, members, groups, groupRules = "10", "10", "100", "2"
	}
	for _, list := range []struct {
		text string
		to   *[]int
	}{{rules, &o.rules}, {members, &o.members}, {groups, &o.groups}, {groupRules, &o.groupRules}} {
		for _, word := range strings.Split(list.text, ",") {
			n, err := strconv.Atoi(word)
			if err != nil || n < 0 {
				return o, fmt.Errorf("%q is not a list of numbers like 0,10,60", list.text)
			}
			*list.to = append(*list.to, n)
		}
	}
	return o, nil
}

// run is one run with what it has made.
type run struct {
	options
	dir  string // state folder
	made int    // things with a name so far
	say  func(string)
}

func (r *run) progress(format string, args ...any) { r.say(fmt.Sprintf(format, args...)) }

// measureAll measures every part that is wanted.
func measureAll(ctx context.Context, o options, say func(string)) (rows []row, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the benchmarks make network namespaces and load eBPF programs: run them as root, `sudo -E make bench`")
	}
	if err := datapath.Check(); err != nil {
		return nil, err
	}
	if err := removeLeftovers(); err != nil {
		return nil, err
	}
	r := &run{options: o, dir: filepath.Join(os.TempDir(), prefix+strconv.Itoa(os.Getpid())), say: say}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	for _, part := range []struct {
		name string
		do   func(context.Context) ([]row, error)
	}{
		{"traffic", r.trafficRows},
		{"kernel", r.kernelRows},
		{"memory", r.memoryRows},
		{"updates", r.updateRows},
		{"api", func(ctx context.Context) ([]row, error) { return r.controlRows(ctx, "api") }},
		{"changes", func(ctx context.Context) ([]row, error) { return r.controlRows(ctx, "changes") }},
	} {
		if !strings.Contains(o.parts, part.name) {
			continue
		}
		more, err := part.do(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// removeLeftovers takes away what runs have left that were killed.
func removeLeftovers() error {
	var errs []error
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range dirs {
		if alive(dir) {
			continue
		}
		driver := instance.NewNetns(instance.Config{StateDir: dir})
		instances, _ := filepath.Glob(filepath.Join(dir, "*", "i-*"))
		nested, _ := filepath.Glob(filepath.Join(dir, "*", "*", "i-*"))
		for _, path := range append(instances, nested...) {
			errs = append(errs, driver.Destroy(context.Background(), filepath.Base(path)))
		}
		errs = append(errs, os.RemoveAll(dir))
	}
	pins, _ := filepath.Glob(filepath.Join(bpffs, prefix+"*"))
	for _, dir := range pins {
		if !alive(dir) {
			_, err := datapath.Remove(dir)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// alive reports whether the process whose id a name carries still runs.
func alive(path string) bool {
	text, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), prefix), "-")
	pid, err := strconv.Atoi(text)
	return err == nil && syscall.Kill(pid, 0) == nil
}

func main() {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == peerMode:
		err = servePeer(os.Stdin, os.Stdout)
	case len(os.Args) > 1 && os.Args[1] == controlMode:
		err = controlMain(os.Stdin, os.Stdout)
	default:
		err = mainRun()
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func mainRun() error {
	o, err := parse(os.Args[1:])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	begun := time.Now()
	rows, err := measureAll(ctx, o, func(text string) { fmt.Fprintln(os.Stderr, text) })
	if err != nil {
		return err
	}
	fmt.Printf("%d CPUs, %s; %d rounds, median of per-round ratios (lowest-highest)\n", runtime.NumCPU(), kernel(), o.rounds)
	for _, j := range []judge{nftables, openstack, calico} {
		if needs := missing(j); needs != "" {
			fmt.Printf("%s is missing from the table: apt-get install %s\n", judgeNames[j], needs)
		}
	}
	printTable(os.Stdout, rows)
	fmt.Printf("\nmeasured in %s\n", time.Since(begun).Round(time.Second))
	return nil
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "kernel unknown"
	}
	release := strings.SplitN(strings.TrimSpace(string(text)), ".", 3)
	return "kernel " + strings.Join(release[:min(2, len(release))], ".")
}
