// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestReadersShareQuestions has a store that takes a second for each answer: who
// comes while a question is under way shares the next one, and nobody gets an
// answer to a question that left before he came.
func TestReadersShareQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q questions
		var asked, revision atomic.Int64
		ask := func(context.Context) (int64, error) {
			asked.Add(1)
			at := revision.Load() // as of when it left
			<-time.After(askBeside / 2)
			return at, nil
		}
		var readers sync.WaitGroup
		for i := range 100 {
			readers.Go(func() {
				<-time.After(time.Duration(i) * time.Millisecond)
				mine := revision.Add(1) // a write that was answered before the read
				if got, err := q.newest(t.Context(), ask); err != nil || got < mine {
					t.Errorf("read %d of %d, %v", got, mine, err)
				}
			})
		}
		readers.Wait()
		if n := asked.Load(); n > 10 {
			t.Errorf("100 readers asked %d times in the time of four questions", n)
		}
	})
}

// TestAQuestionThatHangsHoldsUpOnlyItsOwn has the first question go to a member
// that is no more.
func TestAQuestionThatHangsHoldsUpOnlyItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q questions
		gone := errors.New("gone")
		var asked atomic.Int64
		ask := func(context.Context) (int64, error) {
			if asked.Add(1) == 1 {
				<-time.After(askWithin)
				return 0, gone
			}
			return 7, nil
		}
		begin := time.Now()
		var first sync.WaitGroup
		first.Go(func() {
			if _, err := q.newest(t.Context(), ask); err != gone || time.Since(begin) != askWithin {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		})
		synctest.Wait()
		if got, err := q.newest(t.Context(), ask); got != 7 || err != nil || time.Since(begin) > askBeside {
			t.Errorf("%d, %v after %v", got, err, time.Since(begin))
		}
		first.Wait()
	})
}
