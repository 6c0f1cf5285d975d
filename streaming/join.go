// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"net/netip"
	"time"

	"github.com/hedgeward/hedgeward/domain"
	"github.com/hedgeward/hedgeward/services"
)

const (
	namesPort = 53
	tellAgain = 500 * time.Millisecond // while nobody serves the state folder
)

// directoryJoin is an instance that joins a domain before users get it. It does so
// whenever its program starts; what becomes of it counts the first time.
type directoryJoin struct{ Instance, Domain string }

// joinOutcome is what became of an attempt; Trouble is "" if the instance has joined.
type joinOutcome struct{ Instance, Trouble string }

// tell joins, and says what became of that until somebody has heard it or ctx ends.
func (j *directoryJoin) tell(ctx context.Context, home *Home) {
	outcome := joinOutcome{Instance: j.Instance}
	if err := domain.Join(ctx, netip.AddrPortFrom(services.Resolver, namesPort), j.Domain); err != nil {
		outcome.Trouble = err.Error()
	}
	tick := time.NewTicker(tellAgain)
	defer tick.Stop()
	for home.tell(ctx, "/streams/joined", outcome, new(struct{})) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
