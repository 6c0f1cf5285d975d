// SPDX-License-Identifier: Apache-2.0

package oracle_test

import (
	"testing"

	"github.com/hedgeward/hedgeward/internal/conformance"
)

// TestConformance plays docs/spec/packet-semantics.md section 7 before the oracle.
func TestConformance(t *testing.T) {
	for _, r := range conformance.Rows() {
		t.Run("PKT-"+r.Name, func(t *testing.T) { conformance.Play(t, r, &conformance.Oracle{}) })
	}
}
