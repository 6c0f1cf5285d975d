// SPDX-License-Identifier: Apache-2.0

package teller

import (
	"context"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/model"
)

// Run tells a host everything, then every change, until ctx ends, and returns
// its cause. apply is called for one delta at a time; the next one is computed
// from the newest snapshot after it returns, so a slow host is told less often,
// not later and later.
func Run(ctx context.Context, m *model.Model, host string, apply func(*feed.Delta)) error {
	t := Tell(m, host)
	defer t.Close()
	for {
		d, err := t.Next(ctx)
		if err != nil {
			return err
		}
		apply(d)
	}
}
