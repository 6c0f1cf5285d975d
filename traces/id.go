// SPDX-License-Identifier: Apache-2.0

package traces

import (
	"context"
	"crypto/sha256"
	"strconv"

	"go.opentelemetry.io/otel/trace"

	"github.com/hedgeward/hedgeward/feed"
)

// spanID returns the id of a span of a trace. The same thing has the same id on every
// server.
func spanID(request feed.RequestID, what string) (id trace.SpanID) {
	sum := sha256.Sum256(append(request[:], what...))
	return trace.SpanID(sum[:len(id)])
}

// The spans of a trace. A host is told of one call in several deltas if it is slow.
const (
	callSpan   = "call"
	commitSpan = "commit"
)

func tellSpan(host string, revision int64) string {
	return "tell\x00" + host + "\x00" + strconv.FormatInt(revision, 10)
}

func applySpan(host string, revision int64) string { return "apply\x00" + tellSpan(host, revision) }

// identity is what a span that is about to be made is called.
type identity struct {
	request feed.RequestID
	span    trace.SpanID
}

type identityKey struct{}

// under returns a context in which a span is made with an id of its own, below
// another one, "" for none.
func under(request feed.RequestID, parent, what string) context.Context {
	ctx := context.WithValue(context.Background(), identityKey{}, identity{request, spanID(request, what)})
	if parent == "" {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(request), SpanID: spanID(request, parent), TraceFlags: trace.FlagsSampled, Remote: true,
	}))
}

// ids gives spans the ids that their contexts say.
type ids struct{}

// NewIDs implements sdktrace.IDGenerator.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	i, _ := ctx.Value(identityKey{}).(identity)
	return trace.TraceID(i.request), i.span
}

// NewSpanID implements sdktrace.IDGenerator.
func (g ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	_, span := g.NewIDs(ctx)
	return span
}
