// SPDX-License-Identifier: Apache-2.0

package traces

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hedgeward/hedgeward/feed"
)

// received is what a collector was sent.
type received struct {
	mu       sync.Mutex
	paths    []string
	resource map[string]string
	spans    []*otlp.Span
}

// newCollector answers OTLP over HTTP as a collector does.
func newCollector(t *testing.T) (*received, string) {
	got := &received{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		m := &collector.ExportTraceServiceRequest{}
		if err == nil {
			err = proto.Unmarshal(text, m)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s of %s: %v", r.Method, r.Header.Get("Content-Type"), err)
		}
		got.mu.Lock()
		defer got.mu.Unlock()
		got.paths = append(got.paths, r.Method+" "+r.URL.Path)
		for _, rs := range m.ResourceSpans {
			got.resource = attributes(rs.Resource.Attributes)
			for _, ss := range rs.ScopeSpans {
				got.spans = append(got.spans, ss.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(web.Close)
	return got, web.URL
}

func attributes(all []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range all {
		out[a.Key] = strings.Trim(strings.TrimPrefix(strings.ReplaceAll(a.Value.String(), " ", ""), "string_value:"), `"`)
	}
	return out
}

// TestATraceIsACall: from the answer to what two hosts did, sent in any order by
// servers that know nothing of each other.
func TestATraceIsACall(t *testing.T) {
	got, url := newCollector(t)
	var tracers []*Tracer
	for _, name := range []string{"one", "two"} {
		tracer, err := Open(t.Context(), Config{Endpoint: url, Version: "1.2", Instance: name, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		tracers = append(tracers, tracer)
	}
	const text = "01234567-89ab-4def-8123-456789abcdef"
	request, _ := feed.ParseRequestID(text)
	other := feed.RequestID{1, 2, 3}
	at := func(ms int) time.Time { return time.UnixMilli(1_700_000_000_000 + int64(ms)) }
	origin := feed.Origin{Requests: []feed.RequestID{request, other}, More: 2}
	tracers[1].Told(Told{Host: "rack-2", Revision: 8, Origin: origin, Began: at(13), End: at(20), Took: 4 * time.Millisecond})
	tracers[0].Told(Told{Host: "rack-1", Revision: 7, Origin: feed.Origin{Requests: origin.Requests[:1]}, Began: at(12), End: at(15)})
	tracers[0].Commit([]string{text, "what is no id"}, 7, at(3), at(10))
	tracers[0].Call(Call{Request: request, Service: "ec2", Operation: "RevokeSecurityGroupIngress", Region: "us-east-1", Code: "ok", Status: 200, Began: at(0), End: at(11)})
	tracers[1].Call(Call{Request: feed.RequestID{9}, Service: "ec2", Code: "InternalError", Status: 500, Began: at(0), End: at(1)})
	for _, tracer := range tracers {
		if err := tracer.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if slices.ContainsFunc(got.paths, func(p string) bool { return p != "POST /v1/traces" }) || len(got.paths) == 0 {
		t.Errorf("sent by %v", got.paths)
	}
	if got.resource["service.name"] != "hedgeward" || got.resource["service.version"] != "1.2" || got.resource["service.instance.id"] == "" {
		t.Errorf("sent by %v", got.resource)
	}
	byID := map[string]*otlp.Span{}
	var all []string
	for _, s := range got.spans {
		byID[hex.EncodeToString(s.TraceId)+hex.EncodeToString(s.SpanId)] = s
	}
	for _, s := range got.spans {
		path, a := s.Name, attributes(s.Attributes)
		for up := s; len(up.ParentSpanId) > 0; path = up.Name + " > " + path {
			if up = byID[hex.EncodeToString(up.TraceId)+hex.EncodeToString(up.ParentSpanId)]; up == nil {
				path = "(elsewhere) > " + path
				break
			}
		}
		from := time.Unix(0, int64(s.StartTimeUnixNano)).Sub(at(0))
		all = append(all, hex.EncodeToString(s.TraceId[:4])+" "+path+" "+a["host.name"]+" "+from.String()+
			" "+time.Duration(s.EndTimeUnixNano-s.StartTimeUnixNano).String()+" "+s.Status.GetCode().String())
	}
	slices.Sort(all)
	const call = "01234567 ec2.RevokeSecurityGroupIngress"
	want := []string{
		call + "  0s 11ms STATUS_CODE_UNSET",
		call + " > commit  3ms 7ms STATUS_CODE_UNSET",
		call + " > commit > tell host rack-1 12ms 3ms STATUS_CODE_UNSET",
		call + " > commit > tell host rack-2 13ms 7ms STATUS_CODE_UNSET",
		call + " > commit > tell host > apply rack-2 16ms 4ms STATUS_CODE_UNSET",
		"01020300 (elsewhere) > tell host rack-2 13ms 7ms STATUS_CODE_UNSET",
		"01020300 (elsewhere) > tell host > apply rack-2 16ms 4ms STATUS_CODE_UNSET",
		"09000000 ec2 call  0s 1ms STATUS_CODE_ERROR",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("the spans are (-want +got):\n%s", diff)
	}
	for _, s := range got.spans {
		if a := attributes(s.Attributes); strings.HasPrefix(s.Name, "ec2.") && (hex.EncodeToString(s.TraceId) != strings.ReplaceAll(text, "-", "") || a["aws.request_id"] != text) {
			t.Errorf("the call's trace is %x with %v", s.TraceId, slices.Collect(maps.Keys(a)))
		}
	}
}

// TestACollectorThatIsAwayCostsNothing: nobody waits for it, and the log says so.
func TestACollectorThatIsAwayCostsNothing(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	var log strings.Builder
	tracer, err := Open(t.Context(), Config{Endpoint: web.URL, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * queue { // more than fit
		tracer.Commit([]string{"01234567-89ab-4def-8123-456789abcdef"}, 1, time.Unix(1, 0), time.Unix(2, 0))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tracer.Close(ctx)
	if !strings.Contains(log.String(), "cannot send traces") || !strings.Contains(log.String(), web.URL+"/v1/traces") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestAddressesOfCollectors(t *testing.T) {
	for given, want := range map[string]string{
		"http://127.0.0.1:4318": "http://127.0.0.1:4318/v1/traces", "https://otel.example/": "https://otel.example/v1/traces",
		"https://otel.example/tenant": "https://otel.example/tenant/v1/traces", "http://a:1/v1/traces": "http://a:1/v1/traces",
		"127.0.0.1:4318": "", "grpc://a:4317": "", "http://": "", "http://user:secret@a": "", "http://a?b": "", "": "",
	} {
		got, err := parse(given)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is read as %q, %v; want %q", given, got, err, want)
		}
	}
}
