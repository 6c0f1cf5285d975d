// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"context"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
)

// Telling is what one host is told from now on. It has one owner, who closes it.
type Telling struct {
	sub  *model.Subscription
	host *Host
	snap *model.Snapshot // the newest that was told of
}

// Tell begins to tell a host.
func Tell(m *model.Model, host string) *Telling {
	return &Telling{sub: m.Subscribe(), host: NewHost(host)}
}

// Next waits until something of the model has changed and returns what that means
// for the host, which may be nothing but the revision. The first call returns at
// once and tells everything. A slow caller is told less often, not later and
// later: each delta is of the newest snapshot.
func (t *Telling) Next(ctx context.Context) (*feed.Delta, error) {
	if t.host.Pending() {
		return t.host.Update(t.snap, nil, false), nil
	}
	snap, changed, all, err := t.sub.Next(ctx)
	if err != nil {
		return nil, err
	}
	t.snap = snap
	return t.host.Update(snap, changed, all), nil
}

// Close ends the telling.
func (t *Telling) Close() { t.sub.Close() }
