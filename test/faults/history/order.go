// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Order checks that the answers about every key are those of one order of the
// calls. It returns an error that lists the calls of each key for which there is
// none, and one if limit is over before an order was found or excluded.
func Order(ops []Op, limit time.Duration) error {
	byKey := map[string][]Op{}
	for _, op := range ops {
		byKey[op.Key] = append(byKey[op.Key], op)
	}
	end := time.Now().Add(limit)
	var report strings.Builder
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		calls := byKey[key]
		switch porcupine.CheckOperationsTimeout(place, operations(calls), max(time.Until(end), time.Millisecond)) {
		case porcupine.Ok:
		case porcupine.Unknown:
			fmt.Fprintf(&report, "%s: no order found nor excluded in %s of %d calls\n", key, limit, len(calls))
		default:
			fmt.Fprintf(&report, "%s: no order of these calls explains their answers:\n", key)
			slices.SortFunc(calls, func(a, b Op) int { return int(a.Call - b.Call) })
			for _, op := range calls {
				fmt.Fprintf(&report, "  %s\n", op)
			}
		}
	}
	if report.Len() > 0 {
		return fmt.Errorf("answers that cannot all be true:\n%s", report.String())
	}
	return nil
}

// operations returns the calls of one key as the checker takes them. One whose
// outcome is unknown may take effect as long as anybody looks.
func operations(calls []Op) []porcupine.Operation {
	out := make([]porcupine.Operation, len(calls))
	for i, op := range calls {
		until := int64(op.Return)
		if op.Outcome == Unknown {
			until = math.MaxInt64
		}
		out[i] = porcupine.Operation{ClientId: op.Client, Input: op, Call: int64(op.Call), Output: op.Outcome, Return: until}
	}
	return out
}

// place is what a key does: it holds one value or nothing.
var place = func() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{""} },
		Step: func(state, input, _ any) []any { return step(state.(string), input.(Op)) },
	}
	return m.ToModel()
}()

// step returns what a key that held a value may hold after a call with the
// outcome that it had; nothing if it cannot have had it.
func step(held string, op Op) []any {
	var fits bool
	var after string
	switch op.Kind {
	case Read:
		if held == op.Value {
			return []any{held}
		}
		return nil
	case Create:
		fits, after = held == "", op.Value
	case Delete:
		fits, after = held == op.Value, ""
	}
	switch {
	case op.Outcome == Unknown && fits:
		return []any{held, after}
	case op.Outcome == Unknown, op.Outcome == Refused && !fits:
		return []any{held}
	case op.Outcome == Done && fits:
		return []any{after}
	}
	return nil
}
