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

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/metrics"
	"github.com/hedgeward/hedgeward/metrics/numbers"
	"github.com/hedgeward/hedgeward/stream"
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
	delays := numbers.NewDelays()
	delays.Observe(500 * time.Microsecond)
	delays.Observe(3 * time.Second)
	return metrics.Sources{
		Stored: func() int64 { return 12 },
		Local: &numbers.Host{
			Agent: func() agent.Status {
				return agent.Status{
					Revision:   11,
					Interfaces: []agent.InterfaceStatus{{ID: "eni-1", Enforced: true}, {ID: "eni-2"}},
					Faults:     []agent.Fault{{Object: "policy of eni-2", Error: "no room"}},
					Failures:   4,
				}
			},
			Interfaces: func() ([]datapath.InterfaceStatus, error) {
				return []datapath.InterfaceStatus{judged, {ID: "eni-2", Policy: 2}, {ID: "eni-3"}}, nil
			},
			Strays: func() (datapath.Strays, error) { return datapath.Strays{Malformed: 1, VNI: 2, Destination: 3}, nil },
			Delays: delays,
		},
		Hosts: func() metrics.Hosts {
			return metrics.Hosts{
				States: map[string]int{"connected": 2, "away": 1, "disabled": 0},
				Here:   []metrics.Host{{Name: "rack-1", Revision: 12}, {Name: "rack-2", Revision: 9, Lag: 1500 * time.Millisecond, Behind: 2}},
			}
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
		`hedgeward_apply_errors_total 4`,
		`hedgeward_enforcement_delay_seconds_bucket{le="0.0005"} 1`,
		`hedgeward_enforcement_delay_seconds_bucket{le="2.5"} 1`,
		`hedgeward_enforcement_delay_seconds_bucket{le="+Inf"} 2`,
		`hedgeward_enforcement_delay_seconds_sum 3.0005`,
		`hedgeward_overlay_strays_total{reason="vni"} 2`,
		`hedgeward_hosts{state="connected"} 2`,
		`hedgeward_hosts{state="away"} 1`,
		`hedgeward_host_enforced_revision{host="rack-2"} 9`,
		`hedgeward_host_lag_seconds{host="rack-1"} 0`,
		`hedgeward_host_lag_seconds{host="rack-2"} 1.5`,
		`hedgeward_host_interfaces_behind{host="rack-2"} 2`,
		`hedgeward_interfaces{state="enforced"} 1`,
		`hedgeward_interfaces{state="behind"} 1`,
		`hedgeward_interfaces{state="closed"} 1`,
		`hedgeward_instance_conntrack_allowance_available{instance="i-1"} 7`,
		`hedgeward_instance_conntrack_allowance_used{instance="i-1"} 3`,
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
	lint(t, got)
}

// lint applies the rules of Prometheus for names and help.
func lint(t *testing.T, page string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "hedgeward_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// agentFamilies are what an agent shows.
func agentFamilies(t *testing.T) []numbers.Family {
	t.Helper()
	families, err := sources().Local.Read()
	if err != nil {
		t.Fatal(err)
	}
	followed := stream.Status{
		Server: "192.0.2.1:4567", Since: time.Unix(1700000000, 5e8), Revision: 12, Connections: 3,
		Journal: stream.JournalStatus{Writes: 40, Errors: 1, Bytes: 1 << 20},
	}
	process, err := numbers.Process(time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(families, numbers.Stream(followed, time.Unix(1700086400, 0)), process)
}

// text is what an agent writes of families.
func text(t *testing.T, families []numbers.Family) string {
	t.Helper()
	var page strings.Builder
	if err := numbers.Write(&page, families); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

// TestAgentsWriteWhatTheLibraryWould: an agent does without Prometheus' library. Line
// for line it writes what that writes of the same families, names with characters
// that have a meaning included.
func TestAgentsWriteWhatTheLibraryWould(t *testing.T) {
	const odd = "a\\b\"c\nd{}"
	families := append(agentFamilies(t), numbers.Family{
		Name: "hedgeward_odd", Kind: numbers.Gauge, Help: odd, Labels: []string{"one", "two"},
		Samples: []numbers.Sample{{Labels: []string{odd, ""}, Value: 1e300}, {Labels: []string{"a", "b"}, Value: -0.25}},
	})
	page := text(t, families)
	w := httptest.NewRecorder()
	metrics.Show(func() ([]numbers.Family, error) { return families, nil }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	sorted := func(page string) []string {
		lines := strings.Split(page, "\n")
		slices.Sort(lines)
		return lines
	}
	if diff := cmp.Diff(sorted(w.Body.String()), sorted(page)); diff != "" {
		t.Errorf("the library and the agent write (-library +agent):\n%s", diff)
	}
	lint(t, page)
	for _, line := range []string{
		"hedgeward_connected 1", "hedgeward_connection_changed_timestamp_seconds 1.7000000005e+09", "hedgeward_connections_total 3",
		"hedgeward_told_revision 12", "hedgeward_journal_writes_total 40", "hedgeward_journal_errors_total 1", "hedgeward_journal_size_bytes 1.048576e+06",
		"hedgeward_certificate_expiry_timestamp_seconds 1.7000864e+09", "process_start_time_seconds 1.7e+09",
	} {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// TestEveryMetricIsDocumented holds docs/metrics.md against what is shown.
func TestEveryMetricIsDocumented(t *testing.T) {
	m := metrics.New(sources())
	m.Called("ec2", "DescribeVpcs", "ok", time.Millisecond)
	m.HostRefused("TokenUsed")
	_, got := scrape(t, m)
	got += text(t, agentFamilies(t))
	listed, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var inDocs, inCode []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(hedgeward_[a-z_]+)` \\|").FindAllStringSubmatch(string(listed), -1) {
		inDocs = append(inDocs, match[1])
	}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (hedgeward_\S+) `).FindAllStringSubmatch(got, -1) {
		inCode = append(inCode, match[1])
	}
	slices.Sort(inDocs)
	slices.Sort(inCode)
	if inCode = slices.Compact(inCode); !slices.Equal(inDocs, inCode) {
		t.Errorf("docs/metrics.md lists %v, a scrape shows %v", inDocs, inCode)
	}
}

// TestUnreadableKernel shows a scrape that fails rather than one that is short:
// an absent series looks like a quiet interface.
func TestUnreadableKernel(t *testing.T) {
	s := sources()
	s.Local.Interfaces = func() ([]datapath.InterfaceStatus, error) { return nil, errors.New("no rights") }
	if code, got := scrape(t, metrics.New(s)); code != 500 || !strings.Contains(got, "no rights") {
		t.Errorf("status %d: %s", code, got)
	}
}
