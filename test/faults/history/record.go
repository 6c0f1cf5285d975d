// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Kind is what a call does to its key.
type Kind uint8

// The kinds of calls.
const (
	Read   Kind = iota // tells what the key holds
	Create             // puts a value there; refused if there is one
	Delete             // takes one value away; refused if it is not there
)

// Outcome is what the client knows of a call's effect.
type Outcome uint8

// The outcomes. The zero value claims nothing.
const (
	Unknown Outcome = iota // no answer, or one that leaves open whether it took effect
	Done                   // it took effect
	Refused                // it did not, because of what the key held
)

// Op is one call.
type Op struct {
	Client       int
	Kind         Kind
	Key          string
	Value        string // what Create puts there, Delete takes away, Read saw; "" is nothing
	Outcome      Outcome
	Call, Return time.Duration // since the record began
}

// String returns the call as a line of a report.
func (o Op) String() string {
	kind := [...]string{"reads", "creates", "deletes"}[o.Kind]
	outcome := [...]string{"unknown", "done", "refused"}[o.Outcome]
	return fmt.Sprintf("%9.3f-%9.3f s  client %d %s %q: %s", o.Call.Seconds(), o.Return.Seconds(), o.Client, kind, o.Value, outcome)
}

// Record is what several clients did, in any order. The zero value is not usable:
// see New.
type Record struct {
	start time.Time

	mu  sync.Mutex
	ops []Op
}

// New returns an empty record that begins now.
func New() *Record { return &Record{start: time.Now()} }

// Do makes a call and notes it. call returns the value, as Op has it, and the
// outcome. A read without an answer says nothing and is left out.
func (r *Record) Do(client int, kind Kind, key string, call func() (value string, outcome Outcome)) {
	op := Op{Client: client, Kind: kind, Key: key, Call: time.Since(r.start)}
	op.Value, op.Outcome = call()
	op.Return = time.Since(r.start)
	if kind == Read && op.Outcome != Done {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
}

// Ops returns what was noted so far.
func (r *Record) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ops)
}
