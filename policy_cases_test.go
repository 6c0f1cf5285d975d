// SPDX-License-Identifier: Apache-2.0

package hedgeward_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var scriptCase = regexp.MustCompile(`(?m)^case .*`)

// TestEveryCaseIsATest wants each vector of docs/spec/ec2-api.md section 17 to be
// named by a test: in a _test.go file, or as a case of a script under testdata.
func TestEveryCaseIsATest(t *testing.T) {
	named := map[string]bool{}
	note := func(text string) {
		for _, m := range caseCited.FindAllStringSubmatch(text, -1) {
			named[m[1]+"-"+m[2]] = true
		}
	}
	for _, s := range files(t, func(s *source) bool { return strings.HasSuffix(s.path, "_test.go") }) {
		note(s.text)
	}
	scripts, err := filepath.Glob("awsapi/ec2/testdata/conformance/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("there are no scripts: %v", err)
	}
	for _, path := range scripts {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range scriptCase.FindAllString(string(b), -1) {
			note(m)
		}
	}
	vectors := firstGroup(t, specOf["API"], caseRow)
	if len(vectors) < 90 {
		t.Fatalf("found %d vectors; the check itself is broken", len(vectors))
	}
	for v := range vectors {
		if !named["API-"+v] {
			t.Errorf("no test is named after API-%s of %s", v, specOf["API"])
		}
	}
}
