// SPDX-License-Identifier: Apache-2.0

package history

import (
	"strings"
	"testing"
	"time"
)

// op is a call of client 1 between two moments, in milliseconds.
func op(from, to int, kind Kind, value string, outcome Outcome) Op {
	return Op{Client: 1, Kind: kind, Key: "k", Value: value, Outcome: outcome, Call: time.Duration(from) * time.Millisecond, Return: time.Duration(to) * time.Millisecond}
}

func TestOrder(t *testing.T) {
	for _, row := range []struct {
		name  string
		ops   []Op
		wrong bool
	}{
		{"nothing", nil, false},
		{"a read of nothing", []Op{op(1, 2, Read, "", Done)}, false},
		{"a write and a read of it", []Op{op(1, 2, Create, "a", Done), op(3, 4, Read, "a", Done)}, false},
		{"an acknowledged write is lost", []Op{op(1, 2, Create, "a", Done), op(3, 4, Read, "", Done)}, true},
		{"a read beside the write sees either", []Op{op(1, 5, Create, "a", Done), op(2, 3, Read, "", Done), op(3, 4, Read, "a", Done)}, false},
		{"and never goes back", []Op{op(1, 9, Create, "a", Done), op(2, 3, Read, "a", Done), op(4, 5, Read, "", Done)}, true},
		{"handed out twice", []Op{op(1, 5, Create, "a", Done), op(2, 6, Create, "b", Done)}, true},
		{"the second is refused", []Op{op(1, 5, Create, "a", Done), op(2, 6, Create, "b", Refused)}, false},
		{"refused although nothing is there", []Op{op(1, 2, Create, "a", Refused)}, true},
		{"an unanswered write took effect", []Op{op(1, 2, Create, "a", Unknown), op(3, 4, Read, "a", Done)}, false},
		{"or did not", []Op{op(1, 2, Create, "a", Unknown), op(3, 4, Read, "", Done)}, false},
		{"or does so late", []Op{op(1, 2, Create, "a", Unknown), op(3, 4, Read, "", Done), op(5, 6, Read, "a", Done)}, false},
		{"but once", []Op{op(1, 2, Create, "a", Unknown), op(3, 4, Read, "a", Done), op(5, 6, Delete, "a", Done), op(7, 8, Read, "a", Done)}, true},
		{"a delete of what is there", []Op{op(1, 2, Create, "a", Done), op(3, 4, Delete, "a", Done), op(5, 6, Read, "", Done)}, false},
		{"a delete that came back", []Op{op(1, 2, Create, "a", Done), op(3, 4, Delete, "a", Done), op(5, 6, Read, "a", Done)}, true},
		{"a delete of another value is refused", []Op{op(1, 2, Create, "a", Done), op(3, 4, Delete, "b", Refused)}, false},
		{"a delete is refused although it is there", []Op{op(1, 2, Create, "a", Done), op(3, 4, Delete, "a", Refused)}, true},
		{"an unanswered delete", []Op{op(1, 2, Create, "a", Done), op(3, 4, Delete, "a", Unknown), op(5, 6, Create, "b", Done)}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := Order(row.ops, time.Minute); (err != nil) != row.wrong {
				t.Errorf("judged %v, want wrong: %v", err, row.wrong)
			}
		})
	}
}

func TestOrderNamesTheKeyAndItsCalls(t *testing.T) {
	ops := []Op{op(1, 2, Create, "a", Done), op(3, 4, Read, "", Done), {Key: "other", Kind: Read, Outcome: Done, Return: time.Millisecond}}
	err := Order(ops, time.Minute)
	if err == nil || !strings.Contains(err.Error(), `k: no order`) || !strings.Contains(err.Error(), `client 1 creates "a": done`) || strings.Contains(err.Error(), "other") {
		t.Errorf("the report is %v", err)
	}
}

func TestRecordLeavesOutReadsWithoutAnswer(t *testing.T) {
	r := New()
	r.Do(1, Read, "k", func() (string, Outcome) { return "", Unknown })
	r.Do(1, Create, "k", func() (string, Outcome) { return "a", Unknown })
	if ops := r.Ops(); len(ops) != 1 || ops[0].Kind != Create || ops[0].Return < ops[0].Call {
		t.Errorf("recorded %v", ops)
	}
}

func TestDatagrams(t *testing.T) {
	for _, row := range []struct {
		name  string
		lane  Lane
		wrong bool
	}{
		{"open, all there, one twice", Lane{Open: true, Sent: []uint32{1, 2, 3}, Received: []uint32{3, 1, 2, 2}}, false},
		{"open, one lost", Lane{Open: true, Sent: []uint32{1, 2, 3}, Received: []uint32{1, 3}}, true},
		{"shut, none through", Lane{Sent: []uint32{1, 2, 3}}, false},
		{"shut, one through", Lane{Sent: []uint32{1, 2, 3}, Received: []uint32{2}}, true},
		{"nobody sent", Lane{}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := Datagrams([]Lane{row.lane}); (err != nil) != row.wrong {
				t.Errorf("judged %v, want wrong: %v", err, row.wrong)
			}
		})
	}
}
