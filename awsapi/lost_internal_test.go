// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestChangesThatLostAreConcurrent is AS-G07: what control answers when other
// servers come first each time is the exception that a model has for it.
func TestChangesThatLostAreConcurrent(t *testing.T) {
	concurrent := secgroup.Errorf("ConcurrentModificationException", "Try again.")
	s := (&Service{}).Lost(concurrent, "UpdateFleet")
	lost := fmt.Errorf("write: %w", control.ErrContended)
	if err := s.worded("UpdateFleet", lost); err != concurrent {
		t.Errorf("UpdateFleet answers %v", err)
	}
	if err := s.worded("TagResource", lost); !errors.Is(err, control.ErrContended) {
		t.Errorf("TagResource, which has no such exception, answers %v", err)
	}
	if err := s.worded("UpdateFleet", nil); err != nil {
		t.Errorf("success becomes %v", err)
	}
}
