// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"testing"

	"github.com/hedgeward/hedgeward/internal/conformance"
	"github.com/hedgeward/hedgeward/internal/inforce"
)

// TestConformance plays docs/spec/packet-semantics.md section 7 before the loaded
// programs: the rows that the oracle plays, but for those of which the host has
// nothing.
func TestConformance(t *testing.T) {
	k := inforce.New(t)
	for _, r := range conformance.Rows() {
		if conformance.OracleOnly[r.Name] != "" {
			continue
		}
		t.Run("PKT-"+r.Name, func(t *testing.T) {
			k.Join(t)
			conformance.Play(t, r, k)
		})
	}
}
