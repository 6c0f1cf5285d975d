// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
)

// traffic is one kind of load with how it is bounded and read.
type traffic struct {
	kind  workload
	port  int
	unit  string
	scale float64
	timed bool // by time alone; otherwise by count, too
	share int  // of options.packets, in per cent
}

var traffics = []traffic{
	{kind: requests, port: requestPort, unit: "k/s", scale: 1e3, timed: true},
	{kind: connections, port: connectionPort, unit: "k/s", scale: 1e3, timed: true},
	{kind: packets, port: packetPort, unit: "k/s", scale: 1e3, share: 100},
	{kind: newFlows, port: firstNewPort, unit: "k/s", scale: 1e3, share: 25},
	{kind: denied, port: deniedPort, unit: "k/s", scale: 1e3, share: 100},
	{kind: bulk, port: bulkPort, unit: "Gbit/s", scale: 1e9 / 8, timed: true},
}

// sample is one measurement of one contender.
type sample struct {
	rate     float64 // per second
	p50, p99 int64   // ns
	lost     float64 // share of what was sent
	work     work    // of both ends
	done     float64 // how many
}

// cost returns the CPU time of one request, connection, packet or megabyte, in
// ns, and the cycles and instructions where the machine counts them.
func (s sample) cost() [3]float64 {
	if s.done == 0 {
		return [3]float64{}
	}
	return [3]float64{float64(s.work.CPU) / s.done, float64(s.work.Cycles) / s.done, float64(s.work.Instructions) / s.done}
}

// measure runs one load in a lab.
func (l *lab) measure(t traffic) (sample, error) {
	o := l.run.options
	to := order{Kind: t.kind, From: addressOf(client).String(), To: addressOf(server).String(), Port: t.port, Nanos: o.slice.Nanoseconds()}
	if !t.timed {
		to.Count = o.packets * t.share / 100
		to.Nanos *= 2 // for those who let few through
	}
	if t.kind == newFlows {
		to.Port += l.rounds % (lastNewPort - firstNewPort)
		l.rounds++
		if l.datapath != nil {
			if err := l.datapath.Sweep(context.Background()); err != nil {
				return sample{}, err
			}
		}
	}
	if t.kind == denied {
		if l.judge == nobody {
			to.To = blackhole.String()
		}
		return l.drop(to)
	}
	serve := to
	serve.Do = "serve"
	if _, err := l.peers[server].tell(serve); err != nil {
		return sample{}, err
	}
	to.Do = "load"
	sent, err := l.peers[client].tell(to)
	got, stopErr := l.peers[server].tell(order{Do: "stop", Kind: t.kind})
	if err != nil {
		return sample{}, err
	}
	if stopErr != nil {
		return sample{}, stopErr
	}
	s := sample{p50: sent.P50, p99: sent.P99}
	count, end := sent.Count, sent.End
	if t.kind == bulk || !t.timed {
		count, end = got.Count, got.End
		s.lost = 1 - float64(got.Count)/float64(sent.Count)
	}
	if count == 0 || end <= sent.Start {
		return s, fmt.Errorf("%s: %s: nothing came through", l.name, t.kind)
	}
	s.rate = float64(count) / (float64(end-sent.Start) / 1e9)
	s.work, s.done = sent.Work.plus(got.Work), float64(count)
	if t.kind == bulk {
		s.done /= 1e6
	}
	return s, nil
}

// drop measures how fast packets are sent that go nowhere.
func (l *lab) drop(o order) (sample, error) {
	o.Do = "load"
	sent, err := l.peers[client].tell(o)
	if err != nil {
		return sample{}, err
	}
	return sample{rate: float64(sent.Count) / (float64(sent.End-sent.Start) / 1e9), work: sent.Work, done: float64(sent.Count)}, nil
}

// series is what one contender did with one load, round by round.
type series struct {
	ratios []float64 // to the baseline just before and just after
	costs  []float64 // of CPU time, likewise
	own    []sample
}

// compare runs every load with every contender, each between two turns of the
// baseline, round after round.
func (r *run) compare(ctx context.Context, labs []*lab) (map[workload][]series, error) {
	all := map[workload][]series{}
	for _, t := range traffics {
		all[t.kind] = make([]series, len(labs))
	}
	for round := range r.options.rounds {
		for _, t := range traffics {
			r.progress("traffic, round %d of %d: %s", round+1, r.options.rounds, t.kind)
			before, err := labs[baseline].measure(t)
			if err != nil {
				return nil, err
			}
			for i := 1; i < len(labs); i++ {
				if err := context.Cause(ctx); err != nil {
					return nil, err
				}
				at := 1 + (i-1+round)%(len(labs)-1) // nobody always comes first
				if t.kind == denied && labs[at].open {
					continue // it denies nothing
				}
				own, err := labs[at].measure(t)
				if err != nil {
					return nil, err
				}
				after, err := labs[baseline].measure(t)
				if err != nil {
					return nil, err
				}
				s := &all[t.kind][at]
				s.own = append(s.own, own)
				s.ratios = append(s.ratios, own.rate/((before.rate+after.rate)/2))
				if plain := (before.cost()[0] + after.cost()[0]) / 2; plain > 0 {
					s.costs = append(s.costs, own.cost()[0]/plain)
				}
				all[t.kind][baseline].own = append(all[t.kind][baseline].own, before)
				before = after
			}
		}
	}
	return all, nil
}

// trafficRows builds the labs, compares them and returns the table's lines.
func (r *run) trafficRows(ctx context.Context) (rows []row, err error) {
	var labs []*lab
	defer func() {
		for _, l := range labs {
			if closeErr := l.close(); closeErr != nil && err == nil {
				err = closeErr
			}
		}
	}()
	for _, c := range contenders(r.options) {
		r.progress("building the lab of %s", c.name)
		l, err := r.build(ctx, c)
		if err != nil {
			return nil, err
		}
		labs = append(labs, l)
	}
	all, err := r.compare(ctx, labs)
	if err != nil {
		return nil, err
	}
	for _, t := range traffics {
		for i, s := range all[t.kind] {
			if len(s.own) == 0 {
				continue
			}
			rows = append(rows, t.row(labs[i].contender, s))
		}
	}
	return rows, nil
}

func (t traffic) row(c contender, s series) row {
	var rates, p50, p99 []float64
	var cost [3][]float64
	lost := 0.0
	for _, one := range s.own {
		rates = append(rates, one.rate)
		p50, p99 = append(p50, float64(one.p50)), append(p99, float64(one.p99))
		lost = max(lost, one.lost)
		for i, c := range one.cost() {
			cost[i] = append(cost[i], c)
		}
	}
	out := row{Section: string(t.kind), Name: c.name, Value: median(rates)}
	out.setRatios(s.ratios)
	out.Figures = fmt.Sprintf("%.4g %s", median(rates)/t.scale, t.unit)
	if median(p50) > 0 {
		out.Figures += fmt.Sprintf(", p50 %s, p99 %s", nanos(median(p50)), nanos(median(p99)))
	}
	each := ""
	if t.kind == bulk {
		each = " a MB"
	}
	out.Figures += fmt.Sprintf(", CPU %s%s", nanos(median(cost[0])), each)
	if len(s.costs) > 0 {
		out.Figures += fmt.Sprintf(" (%.2f)", median(s.costs))
	}
	if median(cost[1]) > 0 {
		out.Figures += fmt.Sprintf(", %.0f cycles, %.0f instructions", median(cost[1]), median(cost[2]))
	}
	if lost > 0.001 {
		out.Figures += fmt.Sprintf(", up to %.1f %% lost", lost*100)
	}
	return out
}
