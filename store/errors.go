// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a commit may be refused with. Nothing was written.
var (
	// ErrConflict reports that a guard no longer held: somebody else wrote in
	// between.
	ErrConflict = errors.New("store: another writer was first")
	// ErrFull reports that etcd has no space left. It goes on answering reads.
	ErrFull = errors.New("store: etcd has no space left; make room, then disarm its NOSPACE alarm")
	// ErrTooLarge reports that etcd takes no commit of this size. A smaller one may
	// go.
	ErrTooLarge = errors.New("store: more than etcd takes at once; raise its --max-txn-ops and --max-request-bytes")
)

// ErrAway reports that the store does not answer for now.
var ErrAway = errors.New("store: etcd is away")

// ErrCompacted reports that a Watch asked for revisions that the store has
// forgotten: the caller has to load again.
var ErrCompacted = errors.New("store: the history that was asked for is gone")

// known puts etcd's words for the errors above into ours.
func known(err error) error {
	for theirs, ours := range map[error]error{
		rpctypes.ErrNoSpace:         ErrFull,
		rpctypes.ErrTooManyOps:      ErrTooLarge,
		rpctypes.ErrRequestTooLarge: ErrTooLarge,
		rpctypes.ErrCompacted:       ErrCompacted,
	} {
		if errors.Is(err, theirs) {
			return fmt.Errorf("%w (%v)", ours, err)
		}
	}
	var etcds rpctypes.EtcdError
	if !errors.As(err, &etcds) && status.Code(err) == codes.ResourceExhausted { // gRPC's own bound of a message
		return fmt.Errorf("%w (%v)", ErrTooLarge, err)
	}
	return err
}
