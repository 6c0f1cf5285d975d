// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestThePluginLinksFewPackages: packages.txt lists all that are not of the standard
// library, so that a change of it is seen in review. Whoever adds one has a reason:
// the program runs as root at each start of a container.
func TestThePluginLinksFewPackages(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	links := strings.Fields(string(out))
	slices.Sort(links)
	text, err := os.ReadFile("packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Fields(string(text)), links); diff != "" {
		t.Errorf("packages.txt differs (-it +the plugin); is the new one worth it? Then:\n"+
			"  go list -deps -f '{{if not .Standard}}{{.ImportPath}}{{end}}' ./cmd/hedgeward-cni | sort > cmd/hedgeward-cni/packages.txt\n%s", diff)
	}
}
