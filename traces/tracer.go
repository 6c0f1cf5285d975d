// SPDX-License-Identifier: Apache-2.0

package traces

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/hedgeward/hedgeward/feed"
)

// Config says where traces go and whose they are. All fields must be set.
type Config struct {
	Endpoint string // URL of a collector that takes OTLP over HTTP; /v1/traces is added
	Version  string // of the program
	Instance string // tells the servers of an installation apart
	Log      *slog.Logger
}

// Tracer makes spans and sends them to a collector, when that can be reached. Nothing
// waits for it, and what does not fit in memory meanwhile is dropped.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// queue is how many spans wait for the collector: a change that concerns 1,000 hosts is
// 2,000.
const queue = 1 << 14

// Open returns a tracer, which Close closes.
func Open(ctx context.Context, cfg Config) (*Tracer, error) {
	endpoint, err := parse(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("send traces to %s: %w", endpoint, err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&reporter{exporter, cfg.Log, endpoint}, sdktrace.WithMaxQueueSize(queue)),
		sdktrace.WithIDGenerator(ids{}),
		sdktrace.WithSampler(sdktrace.AlwaysSample()), // by id, a collector leaves out whole traces
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "hedgeward"),
			attribute.String("service.version", cfg.Version),
			attribute.String("service.instance.id", cfg.Instance),
		)),
	)
	return &Tracer{provider, provider.Tracer("github.com/hedgeward/hedgeward/traces")}, nil
}

// parse returns the URL that spans are sent to.
func parse(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is not the address of a collector; it has the form http://HOST:4318", endpoint)
	}
	if !strings.HasSuffix(u.Path, "/v1/traces") {
		u = u.JoinPath("v1", "traces")
	}
	return u.String(), nil
}

// Close sends what waits, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// reporter says in the log that spans cannot be sent. The library would tell a
// variable of the whole process.
type reporter struct {
	sdktrace.SpanExporter
	log      *slog.Logger
	endpoint string
}

// ExportSpans implements sdktrace.SpanExporter.
func (t *reporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := t.SpanExporter.ExportSpans(ctx, spans); err != nil {
		t.log.Warn("cannot send traces; they are dropped", "to", t.endpoint, "spans", len(spans), "error", err)
	}
	return nil
}

// span makes a span that is over.
func (t *Tracer) span(ctx context.Context, name string, kind trace.SpanKind, began, end time.Time, attrs ...attribute.KeyValue) {
	_, s := t.tracer.Start(ctx, name, trace.WithTimestamp(began), trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	s.End(trace.WithTimestamp(end))
}

// Call is one answered call of the API.
type Call struct {
	Request            feed.RequestID
	Service, Operation string // as the API's model calls them; Operation is empty if it is none
	Region, Code       string // Code is "ok", or that of the refusal
	Status             int    // of HTTP
	Began, End         time.Time
}

// Call makes the span of a call, which is the root of its trace.
func (t *Tracer) Call(c Call) {
	name := c.Service + "." + c.Operation
	if c.Operation == "" {
		name = c.Service + " call"
	}
	_, s := t.tracer.Start(under(c.Request, "", callSpan), name, trace.WithNewRoot(), trace.WithTimestamp(c.Began), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("rpc.service", c.Service), attribute.String("rpc.method", c.Operation), attribute.String("cloud.region", c.Region),
			attribute.String("aws.request_id", c.Request.String()), attribute.String("hedgeward.code", c.Code), attribute.Int("http.response.status_code", c.Status),
		))
	if c.Status >= 500 { // what clients did wrong is no error of ours
		s.SetStatus(codes.Error, c.Code)
	}
	s.End(trace.WithTimestamp(c.End))
}

// Commit makes a span in the trace of each call that a commit answers. Calls that
// came together share one commit.
func (t *Tracer) Commit(requests []string, revision int64, began, end time.Time) {
	for _, text := range requests {
		if request, ok := feed.ParseRequestID(text); ok {
			t.span(under(request, callSpan, commitSpan), "commit", trace.SpanKindInternal, began, end, ofRevision(revision), ofCalls(len(requests)))
		}
	}
}

// Told is a delta that a host has in force.
type Told struct {
	Host       string
	Revision   int64
	Origin     feed.Origin
	Began, End time.Time     // of telling it and having it acknowledged
	Took       time.Duration // there; 0: unknown
}

// Told makes spans in the trace of each call that a delta names: the telling, and in
// it the work of the host, whose clock is not asked: it ends with the acknowledgement.
func (t *Tracer) Told(d Told) {
	attrs := []attribute.KeyValue{attribute.String("host.name", d.Host), ofRevision(d.Revision), ofCalls(len(d.Origin.Requests) + d.Origin.More)}
	tell, apply := tellSpan(d.Host, d.Revision), applySpan(d.Host, d.Revision)
	for _, request := range d.Origin.Requests {
		t.span(under(request, commitSpan, tell), "tell host", trace.SpanKindProducer, d.Began, d.End, attrs...)
		if d.Took > 0 {
			t.span(under(request, tell, apply), "apply", trace.SpanKindConsumer, d.End.Add(-d.Took), d.End, attrs...)
		}
	}
}

func ofRevision(n int64) attribute.KeyValue { return attribute.Int64("hedgeward.revision", n) }
func ofCalls(n int) attribute.KeyValue      { return attribute.Int("hedgeward.calls", n) }
