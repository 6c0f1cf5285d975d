// SPDX-License-Identifier: Apache-2.0

package hedgeward_test

import (
	"os"
	"strings"
	"testing"
)

// fleetScript holds the cases that are tried with boto3.
const fleetScript = "test/clients/testdata/boto3/test_fleets.py"

// TestEveryCaseOfFleetsIsATest finds each case cited in a test, in Go or in the
// scripts of real clients.
func TestEveryCaseOfFleetsIsATest(t *testing.T) {
	cases := firstGroup(t, specOf["AS"], caseRow)
	for c := range cases {
		if strings.HasPrefix(c, "S") { // sentences of the source, not cases
			delete(cases, c)
		}
	}
	if len(cases) != 109 {
		t.Fatalf("%s has %d cases, not 109; the check itself is broken", specOf["AS"], len(cases))
	}
	tried := map[string]bool{}
	script, err := os.ReadFile(fleetScript)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{string(script)}
	for _, s := range files(t, func(s *source) bool { return s.isTest() && s.dir() != "." }) {
		texts = append(texts, s.text)
	}
	for _, text := range texts {
		for _, m := range caseCited.FindAllStringSubmatch(text, -1) {
			if m[1] == "AS" {
				tried[m[2]] = true
			}
		}
	}
	for c := range cases {
		if !tried[c] {
			t.Errorf("case AS-%s is no test", c)
		}
	}
}
