// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
)

// skbuff is the beginning of struct __sk_buff of the kernel's linux/bpf.h, which
// is 192 bytes long: only the device is set.
type skbuff struct {
	_       [10]uint32
	Ifindex uint32
	_       [37]uint32
}

// programs are the pinned, attached programs of a lab: those that packets meet,
// not a copy made for testing.
type programs struct {
	from, to, empty *ebpf.Program // of the client's interface, to the server's; returns at once
}

func (l *lab) programs() (p programs, err error) {
	for _, at := range []struct {
		end  int
		name string
		to   **ebpf.Program
	}{{client, "from_instance", &p.from}, {server, "to_instance", &p.to}} {
		if *at.to, err = pinnedProgram(l.pins, strings.Replace(l.ids[at.end], "i-", "eni-", 1), at.name); err != nil {
			return p, err
		}
	}
	p.empty, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	return p, err
}

// chunk is how many runs are timed at once: far less than a scheduler's slice.
const chunk = 1000

// times runs a frame through a program n times and returns the nanoseconds of
// one: those of the fast chunks, for the others were interrupted.
func times(p *ebpf.Program, ifindex int, frame []byte, n int) (float64, error) {
	run := &ebpf.RunOptions{Data: frame, Context: &skbuff{Ifindex: uint32(ifindex)}, Repeat: chunk}
	var took []int64
	for range max(n/chunk, 1) {
		begun := now()
		if _, err := p.Run(run); err != nil {
			return 0, err
		}
		took = append(took, now()-begun)
	}
	slices.Sort(took)
	return float64(percentile(took, 10)) / chunk, nil
}

// each runs every frame through a program once and returns the nanoseconds of
// one by the kernel's own statistics, whose clock costs a few in every run.
func each(p *ebpf.Program, ifindex, n int, frame func(int) []byte) (float64, error) {
	before, err := p.Stats()
	if err != nil {
		return 0, err
	}
	in := &skbuff{Ifindex: uint32(ifindex)}
	for i := range n {
		if _, err := p.Run(&ebpf.RunOptions{Data: frame(i), Context: in}); err != nil {
			return 0, err
		}
	}
	after, err := p.Stats()
	if err != nil {
		return 0, err
	}
	return float64(after.Runtime-before.Runtime) / float64(after.RunCount-before.RunCount), nil
}

// frame builds a UDP datagram of one byte between the ends of a lab.
func frame(src, dst netip.Addr, srcMAC, dstMAC net.HardwareAddr, srcPort, dstPort int) []byte {
	b := make([]byte, 14+20+8+18) // the least that Ethernet carries
	copy(b, dstMAC)
	copy(b[6:], srcMAC)
	binary.BigEndian.PutUint16(b[12:], unix.ETH_P_IP)
	ip := b[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], src.AsSlice())
	copy(ip[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(ip[20:], uint16(srcPort))
	binary.BigEndian.PutUint16(ip[22:], uint16(dstPort))
	binary.BigEndian.PutUint16(ip[24:], uint16(len(ip)-20))
	return b
}

// kernelRows measures the programs alone.
func (r *run) kernelRows(ctx context.Context) (rows []row, err error) {
	r.progress("the programs alone")
	l, err := r.build(ctx, contender{name: "the programs", judge: ours, rules: 10, small: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	err = l.router.do(func() error {
		return first(func() (err error) {
			rows, err = l.runPrograms()
			return err
		})
	})
	return rows, err
}

func (l *lab) runPrograms() (rows []row, err error) {
	const section = "Program runs: ns per packet without the packet's way there"
	n := l.run.options.runs
	p, err := l.programs()
	if err != nil {
		return nil, err
	}
	defer p.empty.Close()
	defer p.from.Close()
	defer p.to.Close()
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("enable the kernel's statistics of programs: %w", err)
	}
	defer func() {
		if stats != nil {
			stats.Close()
		}
	}()
	c, s := addressOf(client), addressOf(server)
	in := func(src, dst int) []byte { return frame(elsewhere, s, datapath.RouterMAC, mac(server), src, dst) }
	out := func(src, dst int) []byte { return frame(c, s, mac(client), datapath.RouterMAC, src, dst) }

	add := func(name string, ns, of float64, against string) {
		row := row{Section: section, Name: name, Against: against, Figures: nanos(ns), Value: ns}
		if of > 0 {
			row.Ratio = ns / of
		}
		rows = append(rows, row)
	}
	// What the statistics add to a single run.
	clock, err := each(p.empty, l.index[client], n/10, func(int) []byte { return in(1, 1) })
	if err != nil {
		return nil, err
	}
	flows := min(n/10, 20000)
	firstIn, err := each(p.to, l.index[server], flows, func(i int) []byte { return in(1024+i, firstNewPort) })
	if err != nil {
		return nil, err
	}
	firstBoth, err := each(p.from, l.index[client], flows, func(i int) []byte { return out(1024+i, firstNewPort+1) })
	if err != nil {
		return nil, err
	}
	hitBoth, err := each(p.from, l.index[client], flows, func(i int) []byte { return out(1024, firstNewPort+1) })
	if err != nil {
		return nil, err
	}
	stats.Close()
	stats = nil

	empty, err := times(p.empty, l.index[client], in(1, 1), n)
	if err != nil {
		return nil, err
	}
	add("a program that returns at once", empty, 0, "")
	forged, err := times(p.from, l.index[client], frame(c, s, mac(server), datapath.RouterMAC, 1, 1), n)
	if err != nil {
		return nil, err
	}
	add("forged source, dropped before the flow table", forged, empty, "the empty one")
	hit, err := times(p.to, l.index[server], in(1024, firstNewPort), n)
	if err != nil {
		return nil, err
	}
	add("known flow, one gate", hit, empty, "the empty one")
	add("known flow, both gates and redirect, cold", hitBoth-clock, hit, "known flow, one gate")
	add("first packet with insert, one gate, cold", firstIn-clock, hit, "known flow, one gate")
	add("first packet with inserts, both gates, cold", firstBoth-clock, hit, "known flow, one gate")
	var deny [2]float64
	for i, rules := range []int{10, 1000} {
		if err := l.putPolicies(contender{rules: rules}); err != nil {
			return nil, err
		}
		if deny[i], err = times(p.from, l.index[client], out(5000, deniedPort), n); err != nil {
			return nil, err
		}
	}
	add("denied at the first gate, R=10", deny[0], hit, "known flow, one gate")
	add("denied at the first gate, R=1000", deny[1], deny[0], "R=10")
	if err := l.putPolicies(contender{open: true}); err != nil {
		return nil, err
	}
	untracked, err := times(p.to, l.index[server], in(60000, 60001), n)
	if err != nil {
		return nil, err
	}
	add("untracked, one gate", untracked, hit, "known flow, one gate")
	prices, err := priceRows(section, empty, n)
	return append(rows, prices...), err
}
