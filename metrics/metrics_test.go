// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/metrics"
)

func scrape(t *testing.T, m *metrics.Metrics) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b)
}

func sources() metrics.Sources {
	judged := datapath.InterfaceStatus{ID: "eni-1", Policy: 3, Flows: 2, Instance: "i-1", Allowance: 10, Used: 3}
	judged.Packets[flow.Ingress][flow.ReasonNoRule] = 7
	judged.Packets[flow.Egress][flow.ReasonAllowance] = 5
	judged.Packets[flow.Egress][flow.ReasonTracked] = 1 << 40
	return metrics.Sources{
		Stored: func() int64 { return 12 },
		Agent: func() agent.Status {
			return agent.Status{
				Revision:   11,
				Interfaces: []agent.InterfaceStatus{{ID: "eni-1", Enforced: true}, {ID: "eni-2"}},
				Faults:     []agent.Fault{{Object: "policy of eni-2", Error: "no room"}},
			}
		},
		Interfaces: func() ([]datapath.InterfaceStatus, error) {
			return []datapath.InterfaceStatus{judged, {ID: "eni-2", Policy: 2}, {ID: "eni-3"}}, nil
		},
	}
}

func TestScrape(t *testing.T) {
	m := metrics.New(sources())
	m.Called("ec2", "DescribeVpcs", "ok", 700*time.Microsecond)
	m.Called("ec2", "", "InvalidAction", time.Millisecond)
	m.HostRefused("TokenUsed")
	_, got := scrape(t, m)
	for _, line := range []string{
		`hedgeward_store_revision 12`,
		`hedgeward_enforced_revision 11`,
		`hedgeward_faults 1`,
		`hedgeward_interfaces{state="enforced"} 1`,
		`hedgeward_interfaces{state="behind"} 1`,
		`hedgeward_interfaces{state="closed"} 1`,
		`hedgeward_instance_conntrack_allowance_available{instance="i-1"} 7`,
		`hedgeward_interface_conntrack_allowance_exceeded_total{interface="eni-1"} 5`,
		`hedgeward_hosts_refused_total{code="TokenUsed"} 1`,
		`hedgeward_interface_flows{interface="eni-1"} 2`,
		`hedgeward_interface_packets_total{direction="ingress",interface="eni-1",reason="no_rule",verdict="reject"} 7`,
		`hedgeward_interface_packets_total{direction="egress",interface="eni-1",reason="tracked",verdict="accept"} 1.099511627776e+12`,
		`hedgeward_api_call_duration_seconds_bucket{code="ok",operation="DescribeVpcs",service="ec2",le="0.001"} 1`,
		`hedgeward_api_call_duration_seconds_count{code="InvalidAction",operation="",service="ec2"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(got, "} 0\n") && strings.Contains(got, `packets_total{direction="ingress",interface="eni-3"`) {
		t.Error("packets that never were are listed")
	}
	problems, err := promlint.New(strings.NewReader(got)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "hedgeward_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	listed, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var inDocs, inCode []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(hedgeward_[a-z_]+)").FindAllStringSubmatch(string(listed), -1) {
		inDocs = append(inDocs, match[1])
	}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (hedgeward_\S+) `).FindAllStringSubmatch(got, -1) {
		inCode = append(inCode, match[1])
	}
	slices.Sort(inDocs)
	slices.Sort(inCode)
	if !slices.Equal(inDocs, inCode) {
		t.Errorf("docs/metrics.md lists %v, a scrape shows %v", inDocs, inCode)
	}
}

// TestUnreadableKernel shows a scrape that fails rather than one that is short:
// an absent series looks like a quiet interface.
func TestUnreadableKernel(t *testing.T) {
	s := sources()
	s.Interfaces = func() ([]datapath.InterfaceStatus, error) { return nil, errors.New("no rights") }
	if code, got := scrape(t, metrics.New(s)); code != 500 || !strings.Contains(got, "no rights") {
		t.Errorf("status %d: %s", code, got)
	}
}
