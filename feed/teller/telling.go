// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"context"
	"time"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
)

// Telling is what one host is told from now on. It has one owner, who closes it.
type Telling struct {
	model *model.Model
	sub   *model.Subscription
	host  *Host
	snap  *model.Snapshot // the newest that was told of
	calls model.Calls     // that made it what it is
}

// Tell begins to tell a host.
func Tell(m *model.Model, host string) *Telling {
	return &Telling{model: m, sub: m.Subscribe(), host: NewHost(host)}
}

// Next waits until something of the model has changed and returns what that means
// for the host, which may be nothing but the revision. The first call returns at
// once and tells everything. A slow caller is told less often, not later and
// later: each delta is of the newest snapshot.
func (t *Telling) Next(ctx context.Context) (*feed.Delta, error) {
	if t.host.Pending() {
		return t.named(t.host.Update(t.snap, nil, false)), nil
	}
	snap, changed, all, err := t.sub.Next(ctx)
	if err != nil {
		return nil, err
	}
	if t.calls = (model.Calls{}); t.snap != nil {
		t.calls = t.model.CallsIn(t.snap.Revision, snap.Revision)
	}
	t.snap = snap
	return t.named(t.host.Update(snap, changed, all)), nil
}

// named says in a delta where its changes come from. One that changes nothing comes
// from nowhere.
func (t *Telling) named(d *feed.Delta) *feed.Delta {
	if d.Empty() || t.calls.Since.IsZero() {
		return d
	}
	o := &d.Origin
	over := max(0, len(t.calls.Newest)-feed.MaxRequests)
	o.More, o.Waited = t.calls.More+over, time.Since(t.calls.Since)
	for _, text := range t.calls.Newest[over:] {
		if id, ok := feed.ParseRequestID(text); ok {
			o.Requests = append(o.Requests, id)
		} else {
			o.More++
		}
	}
	return d
}

// Close ends the telling.
func (t *Telling) Close() { t.sub.Close() }
