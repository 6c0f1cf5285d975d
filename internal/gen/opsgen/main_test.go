// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestThePageIsWhatIsOffered(t *testing.T) {
	b, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	want := string(page())
	if string(b) != want {
		t.Error("docs/operations.md is not what the code offers: run go generate ./internal/gen/opsgen")
	}
	for _, s := range services {
		if n := len(s.service.Offered()); n == 0 || !strings.Contains(want, fmt.Sprintf("## %s (%d)\n", s.name, n)) {
			t.Errorf("%s offers %d operations and has no list of them", s.name, n)
		}
	}
}
