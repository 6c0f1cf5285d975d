// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"strconv"
	"testing"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

// A change that another server overtakes each time ends, and says so.
func TestAChangeThatAlwaysLosesIsContended(t *testing.T) {
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	here, there := serve(t, db, Config{}), serve(t, db, Config{Quotas: Quotas{StacksPerRegion: 1000}})
	tries := 0
	err = here.write(t.Context(), alice.Scope, func(tx *model.Tx) error {
		tries++
		if _, err := there.CreateStack(t.Context(), alice, secgroup.Stack{Name: "k" + strconv.Itoa(tries)}); err != nil {
			return err
		}
		tx.Stacks.Put(&secgroup.Stack{Scope: alice.Scope, Name: "lost"})
		return nil
	})
	if !errors.Is(err, ErrContended) || tries != retries {
		t.Errorf("after %d tries: %v", tries, err)
	}
	if there.Read().Stacks.Get(model.StreamingName(alice.Scope, "lost")) != nil {
		t.Error("the change that lost is there")
	}
}
