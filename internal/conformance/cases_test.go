// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/internal/testworld"
)

// Every case of section 7 is a row, or is listed with its reason: none falls
// through.
func TestEveryCaseIsARowOrListed(t *testing.T) {
	text, err := os.ReadFile("../../docs/spec/packet-semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## 7. Conformance table")
	cases := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-M][0-9]{2}) \|`).FindAllStringSubmatch(table, -1) {
		cases[m[1]] = true
	}
	if len(cases) < 280 {
		t.Fatalf("section 7 has %d cases; the check itself is broken", len(cases))
	}
	rows := map[string]bool{}
	names := map[string]bool{}
	for _, r := range Rows() {
		if names[r.Name] {
			t.Errorf("two rows are called %s", r.Name)
		}
		names[r.Name] = true
		c := r.Name[:3]
		rows[c] = true
		if own := r.Name[1] >= '8' && len(r.Name) > 3; cases[c] == own {
			t.Errorf("row %s: own rows have numbers from 80 on and a name, others those of section 7", r.Name)
		}
	}
	for c := range cases {
		if rows[c] == (NoRow[c] != "") {
			t.Errorf("case %s: row %t, listed %t; want one of the two", c, rows[c], NoRow[c] != "")
		}
	}
	for c := range NoRow {
		if !cases[c] {
			t.Errorf("case %s is listed, but section 7 has none", c)
		}
	}
	for name := range OracleOnly {
		if !names[name] {
			t.Errorf("there is no row %s to put to the oracle only", name)
		}
	}
}

// The three ways to write a world down must agree, or a corpus would lie.
func TestTopologyPrintsAsItReads(t *testing.T) {
	s, err := testworld.Parse(topology)
	if err != nil {
		t.Fatal(err)
	}
	again, err := testworld.Parse(s.String())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := s.String(), again.String(); a != b {
		t.Errorf("printed\n%s\nread and printed again\n%s", a, b)
	}
	if n := len(s.World.Interfaces); n != 8 {
		t.Errorf("%d interfaces, want 8", n)
	}
}
