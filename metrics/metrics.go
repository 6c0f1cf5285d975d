// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/flow"
)

// Sources is what is asked at every scrape, at any time.
type Sources struct {
	Stored func() int64 // newest revision of the store that this process has seen
	// Of the host that this process enforces; both nil: it enforces none.
	Agent      func() agent.Status
	Interfaces func() ([]datapath.InterfaceStatus, error)
}

// Metrics holds the metrics of one process.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.HistogramVec
	refused  *prometheus.CounterVec
}

// callBuckets are seconds, from a read that is answered from memory to a write
// that waits for a busy disk.
var callBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// New returns the metrics of a process that works with s.
func New(s Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hedgeward_api_call_duration_seconds", Buckets: callBuckets,
			Help: "Time from a call's arrival to its answer, by service, operation (empty: none that is served) and code (ok, or the error's).",
		}, []string{"service", "operation", "code"}),
	}
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hedgeward_hosts_refused_total",
		Help: "Handshakes and requests of machines that are not taken as hosts, by code of why.",
	}, []string{"code"})
	m.registry.MustRegister(m.calls, m.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hedgeward_store_revision", Help: "Newest revision of the store that this process has seen.",
		}, func() float64 { return float64(s.Stored()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.Agent != nil {
		m.registry.MustRegister(&host{s})
	}
	return m
}

// Called notes an answered call. operation must be one of the model's names or
// empty: what a client makes up is no label.
func (m *Metrics) Called(service, operation, code string, took time.Duration) {
	m.calls.WithLabelValues(service, operation, code).Observe(took.Seconds())
}

// HostRefused notes a machine that was not taken as a host. code is one of ours:
// what a peer makes up is no label.
func (m *Metrics) HostRefused(code string) { m.refused.WithLabelValues(code).Inc() }

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// host reads what this machine enforces.
type host struct{ Sources }

var (
	enforced = prometheus.NewDesc("hedgeward_enforced_revision",
		"Revision of the store that this host has in force.", nil, nil)
	faults = prometheus.NewDesc("hedgeward_faults",
		"Objects that could not be brought in line; what was in force for them stays, and they are tried again.", nil, nil)
	interfaces = prometheus.NewDesc("hedgeward_interfaces",
		"Network interfaces of this host by state: enforced, behind (judged by an older state than is wanted), closed (nothing passes).", []string{"state"}, nil)
	flows = prometheus.NewDesc("hedgeward_interface_flows",
		"Live tracked flows.", []string{"interface"}, nil)
	allowance = prometheus.NewDesc("hedgeward_instance_conntrack_allowance_available",
		"Flows that the interfaces of an instance may still begin to track, together.", []string{"instance"}, nil)
	exceeded = prometheus.NewDesc("hedgeward_interface_conntrack_allowance_exceeded_total",
		"Packets refused because the instance's allowance of tracked flows was used up.", []string{"interface"}, nil)
	packets = prometheus.NewDesc("hedgeward_interface_packets_total",
		"Packets judged since the interface was attached, by direction, verdict and reason.", []string{"interface", "direction", "verdict", "reason"}, nil)
)

// Describe implements prometheus.Collector.
func (h *host) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{enforced, faults, interfaces, flows, allowance, exceeded, packets} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (h *host) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	wanted := h.Agent()
	gauge(enforced, float64(wanted.Revision))
	gauge(faults, float64(len(wanted.Faults)))
	all, err := h.Interfaces()
	if err != nil {
		to <- prometheus.NewInvalidMetric(packets, err)
		return
	}
	inLine := map[string]bool{}
	for _, i := range wanted.Interfaces {
		inLine[i.ID] = i.Enforced
	}
	available := map[string]int{}
	states := map[string]int{"enforced": 0, "behind": 0, "closed": 0}
	for _, i := range all {
		switch {
		case i.Policy == 0:
			states["closed"]++
		case inLine[i.ID]:
			states["enforced"]++
		default:
			states["behind"]++
		}
		gauge(flows, float64(i.Flows), i.ID)
		if i.Instance != "" {
			available[i.Instance] = max(0, i.Allowance-i.Used)
		}
		refused := i.Packets[flow.Ingress][flow.ReasonAllowance] + i.Packets[flow.Egress][flow.ReasonAllowance]
		to <- prometheus.MustNewConstMetric(exceeded, prometheus.CounterValue, float64(refused), i.ID)
		for d := range flow.Direction(flow.NumDirections) {
			for r, n := range i.Packets[d] {
				if reason := flow.Reason(r); n > 0 {
					to <- prometheus.MustNewConstMetric(packets, prometheus.CounterValue, float64(n),
						i.ID, d.String(), reason.Verdict().String(), reason.String())
				}
			}
		}
	}
	for instance, n := range available {
		gauge(allowance, float64(n), instance)
	}
	for state, n := range states {
		gauge(interfaces, float64(n), state)
	}
}
