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

// never are what an agent must not link, whoever would bring it: it runs with
// rights over the kernel on every host.
var never = []string{
	"go.etcd.io/", "google.golang.org/grpc", "github.com/aws/", "github.com/prometheus/", "go.uber.org/", "go.opentelemetry.io/",
	"github.com/hedgeward/hedgeward/store", "github.com/hedgeward/hedgeward/model", "github.com/hedgeward/hedgeward/control",
	"github.com/hedgeward/hedgeward/awsapi", "github.com/hedgeward/hedgeward/access", "github.com/hedgeward/hedgeward/feed/teller",
}

// TestTheAgentLinksFewPackages: packages.txt lists all that are not of the
// standard library, so that a change of it is seen in review. Whoever adds one has
// a reason.
func TestTheAgentLinksFewPackages(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	links := strings.Fields(string(out))
	slices.Sort(links)
	for _, p := range links {
		for _, n := range never {
			if strings.HasPrefix(p+"/", strings.TrimSuffix(n, "/")+"/") {
				t.Errorf("the agent links %s", p)
			}
		}
	}
	text, err := os.ReadFile("packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Fields(string(text)), links); diff != "" {
		t.Errorf("packages.txt differs (-it +the agent); is the new one worth it? Then:\n"+
			"  go list -deps -f '{{if not .Standard}}{{.ImportPath}}{{end}}' ./cmd/hedgeward-agent | sort > cmd/hedgeward-agent/packages.txt\n%s", diff)
	}
}
