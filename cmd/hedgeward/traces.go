// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/metrics"
	"github.com/hedgeward/hedgeward/stream"
	"github.com/hedgeward/hedgeward/traces"
)

// lastTraces is how long a process that ends goes on sending.
const lastTraces = 5 * time.Second

// tracing sends traces if the operator wants any. The zero tracing sends none.
type tracing struct{ to *traces.Tracer }

// openTracing opens what --traces says, "" for nothing.
func (in *installation) openTracing(ctx context.Context) (err error) {
	if in.collector == "" {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		name = "unnamed"
	}
	in.tracing.to, err = traces.Open(ctx, traces.Config{Endpoint: in.collector, Version: version, Instance: name, Log: in.log})
	if err != nil {
		return fmt.Errorf("--traces: %w", err)
	}
	return nil
}

// called counts an answered call.
func (t *tracing) called(counted *metrics.Metrics) func(awsapi.Answered) {
	return func(a awsapi.Answered) {
		counted.Called(a.Service, a.Operation, a.Code, a.Took)
		if request, ok := feed.ParseRequestID(a.Request); ok && t.to != nil {
			t.to.Call(traces.Call{
				Request: request, Service: a.Service, Operation: a.Operation, Region: a.Region, Code: a.Code, Status: a.Status,
				Began: a.Began, End: a.Began.Add(a.Took),
			})
		}
	}
}

// committed is control.Config.Committed.
func (t *tracing) committed(c control.Committed) {
	if t.to != nil {
		t.to.Commit(c.Requests, c.Revision, c.Began, c.End)
	}
}

// inForce is stream.ServerConfig.InForce.
func (t *tracing) inForce(f stream.InForce) {
	if t.to != nil {
		t.to.Told(traces.Told{Host: f.Host, Revision: f.Revision, Origin: f.Origin, Began: f.Told, End: f.Acked, Took: f.Took})
	}
}

// applied is for the host that this process is.
func (t *tracing) applied(d *feed.Delta, took time.Duration) {
	if now := time.Now(); t.to != nil {
		t.to.Told(traces.Told{Host: host, Revision: d.Revision, Origin: d.Origin, Began: now.Add(-took), End: now, Took: took})
	}
}

// close sends what waits.
func (t *tracing) close() error {
	if t.to == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
	defer cancel()
	return t.to.Close(ctx)
}
