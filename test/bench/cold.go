// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// coldRows measures how long a server takes from nothing to its first answer,
// on a store of its own whose files the kernel still has in memory.
func (i *installation) coldRows(ctx context.Context) ([]row, error) {
	groups, rules, interfaces := 10000, 10, 50000
	if i.Short {
		groups, interfaces = 100, 100
	}
	dir := filepath.Join(i.Dir, "cold")
	quiet := slog.New(slog.DiscardHandler)
	open := func() (cold *installation, err error) {
		cold = &installation{caller: i.caller}
		if cold.store, err = store.Embedded(ctx, dir); err != nil {
			return nil, err
		}
		cold.model, err = model.Open(ctx, cold.store, quiet)
		return cold, err
	}
	cold, err := open()
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	cold.control = control.New(cold.store, cold.model, control.Config{})
	done := make(chan struct{}, 2)
	go func() { cold.model.Run(run); done <- struct{}{} }()
	go func() { cold.control.Run(run); done <- struct{}{} }()
	if err := cold.control.EnsureRegion(ctx, i.caller.Scope); err != nil {
		return nil, err
	}
	l := &stock{subnet: new(secgroup.Subnet)}
	for n := range cold.model.Snapshot().Subnets.All() {
		l.subnet = n
	}
	if err := cold.fill(ctx, l, i.VPCs, groups, rules, interfaces); err != nil {
		return nil, err
	}
	stop()
	<-done
	<-done
	if err := cold.store.Close(); err != nil {
		return nil, err
	}
	settle()
	begun := time.Now()
	if cold, err = open(); err != nil {
		return nil, err
	}
	took := time.Since(begun)
	if n := cold.model.Snapshot().Groups.Len(); n < groups {
		return nil, fmt.Errorf("%d groups are back, of %d", n, groups)
	}
	return []row{{
		Section: "API: cold start", Name: fmt.Sprintf("%d groups, %d rules, %d interfaces", groups, groups*rules, interfaces),
		Value: float64(took), Figures: nanos(float64(took)) + " until reads are answered",
	}}, cold.store.Close()
}
