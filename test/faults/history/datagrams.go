// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"slices"
)

// Lane is a stream of numbered datagrams between two interfaces, sent all through
// a run.
type Lane struct {
	Name string
	// Open says that rules allowed the stream all through the run; otherwise they
	// forbade it all through.
	Open     bool
	Sent     []uint32
	Received []uint32
}

// Datagrams checks that of lanes that were open all through nothing was lost, and
// of those that were shut nothing got through, and that a lane sent anything.
func Datagrams(lanes []Lane) error {
	var wrong []string
	for _, l := range lanes {
		arrived := map[uint32]bool{}
		for _, n := range l.Received {
			arrived[n] = true
		}
		switch lost := slices.DeleteFunc(slices.Clone(l.Sent), func(n uint32) bool { return arrived[n] }); {
		case len(l.Sent) == 0:
			wrong = append(wrong, fmt.Sprintf("%s: nothing was sent", l.Name))
		case l.Open && len(lost) > 0:
			wrong = append(wrong, fmt.Sprintf("%s: lost %d of %d datagrams that were allowed all the time, from number %d on", l.Name, len(lost), len(l.Sent), lost[0]))
		case !l.Open && len(arrived) > 0:
			wrong = append(wrong, fmt.Sprintf("%s: %d of %d datagrams got through that were forbidden all the time", l.Name, len(arrived), len(l.Sent)))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("datagrams: %q", wrong)
	}
	return nil
}
