// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary be what the program starts itself as.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == peerMode || os.Args[1] == controlMode) {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestEverythingIsMeasured runs every measurement briefly: each must yield a
// figure, whatever it is, and nothing may stay behind.
func TestEverythingIsMeasured(t *testing.T) {
	o, err := parse([]string{"-short"})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range []judge{nftables, openstack, calico} {
		if needs := missing(j); needs != "" {
			t.Fatalf("%s is missing: apt-get install %s", judgeNames[j], needs)
		}
	}
	rows, err := measureAll(t.Context(), o, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		key := r.Section + ": " + r.Name
		if seen[key] {
			t.Errorf("%s: measured twice", key)
		}
		seen[key] = true
		if !(r.Value > 0) {
			t.Errorf("%s: measured %v", key, r.Value)
		}
	}
	for _, tr := range traffics {
		for _, c := range contenders(o) {
			if key := string(tr.kind) + ": " + c.name; !seen[key] && !(c.open && tr.kind == denied) {
				t.Errorf("%s: not measured", key)
			}
		}
	}
	for _, part := range []string{"Program runs", "Memory", "Updates", "API with 100 groups", "A rule is added", "A member joins"} {
		found := false
		for key := range seen {
			found = found || strings.HasPrefix(key, part)
		}
		if !found {
			t.Errorf("%s: not measured", part)
		}
	}
	own := fmt.Sprint(prefix, os.Getpid())
	for _, pattern := range []string{filepath.Join(bpffs, own+"*"), filepath.Join(os.TempDir(), own+"*"), fmt.Sprintf("/run/netns/hedgeward-i-%08x*", os.Getpid())} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// A wrong list is refused before anything is made.
func TestListsOfSizesAreChecked(t *testing.T) {
	for _, bad := range []string{"10,x", "-1", ""} {
		if _, err := parse([]string{"-rules", bad}); err == nil {
			t.Errorf("-rules %q is accepted", bad)
		}
	}
}
