// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
)

const memorySection = "Memory: bytes each, as the kernel accounts for them, as ratio to what we aim at"

// What we aim at, in bytes (DESIGN.md).
const flowGoal, memberGoal, cidrGoal = 104, 86, 96

// memoryRows measures what a flow, a member and a CIDR take.
func (r *run) memoryRows(ctx context.Context) (rows []row, err error) {
	r.progress("memory")
	add := func(name string, bytes, goal float64) {
		rows = append(rows, row{
			Section: memorySection, Name: name, Value: bytes, Ratio: bytes / goal, Against: fmt.Sprintf("%.4g bytes", goal),
			Figures: fmt.Sprintf("%.4g bytes", bytes),
		})
	}
	l, err := r.build(ctx, contender{name: "memory", judge: ours, small: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, flows := range []struct {
		table, name string
		goal        float64
	}{
		{"flows", "hedgeward: a flow with an end elsewhere", flowGoal},
		{"pairs", "hedgeward: a flow between two local ends", 2 * flowGoal},
	} {
		m, info, err := l.table(flows.table)
		if err != nil {
			return nil, err
		}
		bytes, _ := info.Memlock()
		add(flows.name, float64(bytes)/float64(m.MaxEntries()), flows.goal)
		m.Close()
	}
	members, rules := r.options.members[len(r.options.members)-1], r.options.rules[len(r.options.rules)-1]
	for _, grown := range []struct {
		table, name string
		by          contender
		count       int
		goal        float64
	}{
		{"addresses", fmt.Sprintf("hedgeward: a member of a group, M=%d", members), contender{members: members}, members, memberGoal},
		{"routes", fmt.Sprintf("hedgeward: a CIDR of a rule, R=%d", rules), contender{rules: rules}, 2 * rules, cidrGoal},
	} {
		if grown.count == 0 {
			continue
		}
		before, err := l.takes(grown.table)
		if err != nil {
			return nil, err
		}
		if err := l.router.do(func() error { return l.putPolicies(grown.by) }); err != nil {
			return nil, err
		}
		after, err := l.takes(grown.table)
		if err != nil {
			return nil, err
		}
		add(grown.name, float64(after-before)/float64(grown.count), grown.goal)
	}
	if missing(calico) == "" {
		set, err := l.router.ipsetMemory(contender{members: members})
		if err != nil {
			return nil, err
		}
		add(fmt.Sprintf("ipset: a member, M=%d", members), set/float64(members), memberGoal)
	}
	if bytes := slabObject("nf_conntrack"); bytes > 0 {
		add("connection tracking: a flow, without extensions", bytes, flowGoal)
	}
	return rows, nil
}

// table opens a pinned map of a lab's datapath.
func (l *lab) table(name string) (*ebpf.Map, *ebpf.MapInfo, error) {
	m, err := ebpf.LoadPinnedMap(filepath.Join(l.pins, name), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("open map %s: %w", name, err)
	}
	info, err := m.Info()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ask for map %s: %w", name, err), m.Close())
	}
	return m, info, nil
}

// takes returns the bytes that a map takes now.
func (l *lab) takes(name string) (uint64, error) {
	m, info, err := l.table(name)
	if err != nil {
		return 0, err
	}
	bytes, ok := info.Memlock()
	if !ok {
		err = fmt.Errorf("this kernel does not say how large map %s is", name)
	}
	return bytes, errors.Join(err, m.Close())
}

// ipsetMemory returns what a set of members takes, in bytes.
func (s *space) ipsetMemory(c contender) (bytes float64, err error) {
	err = s.do(func() error {
		if err := feedTo(c.ipsetText(), "ipset", "restore"); err != nil {
			return err
		}
		out, err := exec.Command("ipset", "list", "-t").Output()
		if err != nil {
			return fmt.Errorf("ipset list: %w", err)
		}
		_, text, _ := strings.Cut(string(out), "Size in memory: ")
		text, _, _ = strings.Cut(text, "\n")
		bytes, err = strconv.ParseFloat(text, 64)
		return err
	})
	return bytes, err
}

// slabObject returns the size of the objects of a slab cache, 0 if it is unknown.
func slabObject(name string) float64 {
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 3 && f[0] == name {
			n, _ := strconv.ParseFloat(f[3], 64)
			return n
		}
	}
	return 0
}
