// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hedgeward/hedgeward/metrics/numbers"
)

// Sources is what is asked at every scrape, at any time.
type Sources struct {
	Stored func() int64  // newest revision of the store that this process has seen
	Local  *numbers.Host // that this process enforces; nil: none
	Hosts  func() Hosts  // that servers are followed by; nil: this process takes none
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
	if s.Local != nil {
		m.registry.MustRegister(collector{s.Local.Read})
	}
	if s.Hosts != nil {
		m.registry.MustRegister(collector{func() ([]numbers.Family, error) { return s.Hosts().families(), nil }})
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

// collector shows the library what is read when it asks.
type collector struct {
	read func() ([]numbers.Family, error)
}

// Describe implements prometheus.Collector. What is read describes itself.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	families, err := c.read()
	if err != nil {
		to <- prometheus.NewInvalidMetric(unread, err)
		return
	}
	kinds := map[numbers.Kind]prometheus.ValueType{numbers.Gauge: prometheus.GaugeValue, numbers.Counter: prometheus.CounterValue}
	for _, f := range families {
		d := prometheus.NewDesc(f.Name, f.Help, f.Labels, nil)
		for _, s := range f.Samples {
			if f.Kind != numbers.Histogram {
				to <- prometheus.MustNewConstMetric(d, kinds[f.Kind], s.Value, s.Labels...)
				continue
			}
			buckets := map[float64]uint64{}
			for i, bound := range s.Counts.Bounds {
				buckets[bound] = s.Counts.UpTo[i]
			}
			to <- prometheus.MustNewConstHistogram(d, s.Counts.Count(), s.Counts.Sum, buckets, s.Labels...)
		}
	}
}

// unread stands for what could not be read: the scrape fails as a whole, because
// an absent series looks like a quiet interface.
var unread = prometheus.NewDesc("hedgeward_unread", "What could not be read.", nil, nil)
