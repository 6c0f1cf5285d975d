// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/query"
	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// internalError is all that clients learn of a fault of ours.
var internalError = secgroup.Errorf("InternalError", "An internal error has occurred")

// answers are places for answers to be written in: one may be many megabytes
// long, and the next is likely to be as long.
var answers = sync.Pool{New: func() any { return new([]byte) }}

const maxAnswerKept = 16 << 20 // bytes

// answer is one request on its way to its response and its log record.
type answer struct {
	Call
	service *Service
	detail  string // for the log: why a signature or a call failed
	stack   string // of a panic
}

// ServeHTTP answers one request. Whatever happens, the answer is in the form of
// a service's protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	a := &answer{service: s.Services[0]}
	a.RequestID = newRequestID()
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		a.Source = from.Addr().Unmap()
	}
	a.Secure = r.TLS != nil
	op, out, refused := s.serve(w, r, a)

	status, code := http.StatusOK, "ok"
	var body []byte
	if refused != nil {
		status, code = refused.status, refused.code
		body = a.service.protocol.refuse(a.service.model, *refused, a.RequestID)
	} else {
		space := answers.Get().(*[]byte)
		body = a.service.protocol.result((*space)[:0], a.service.model, op, a.RequestID, out)
		defer func() {
			if cap(body) <= maxAnswerKept {
				*space = body
				answers.Put(space)
			}
		}()
	}
	s.audit(a, code) // before the answer: whoever has that finds the record
	s.count(a, code, status, start)
	h := w.Header()
	a.service.protocol.headers(h)
	h.Set("x-amzn-RequestId", a.RequestID)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone needs no answer
	s.record(r.Context(), a, code, status, time.Since(start))
}

// serve takes a request through the steps of docs/spec/ec2-api.md section 1.5.
// Authentication comes before the form is looked at: nobody unknown gets that
// far.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, a *answer) (*wire.Operation, any, *refusal) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, nil, &refusal{http.StatusMethodNotAllowed, "InvalidRequest", "Calls are made with POST or GET."}
	}
	if r.URL.Path != "/" && r.URL.Path != "" {
		return nil, nil, &refusal{http.StatusNotFound, "InvalidRequest", "Calls are made to the path /."}
	}
	body, refused := readBody(w, r)
	if refused != nil {
		return nil, nil, refused
	}
	if s.Fresh != nil {
		if err := s.Fresh(r.Context()); err != nil {
			a.service = s.guess(r, body, "")
			return nil, nil, a.refuse(err)
		}
	}
	service, caller, unsigned := s.authenticate(r, body)
	a.service, a.Caller, a.Service = service, caller, service.Name()
	if unsigned != nil {
		a.detail = unsigned.Error()
		refused := service.protocol.unsigned(unsigned)
		return nil, nil, &refused
	}
	op, out, err := s.call(r, a, body)
	if err != nil {
		return nil, nil, a.refuse(err)
	}
	return op, out, nil
}

// refuse words an error for the client. What it says beyond that is for the log.
func (a *answer) refuse(err error) *refusal {
	e := new(secgroup.Error)
	if !errors.As(err, &e) {
		e = internalError
	}
	if error(e) != err {
		a.detail = err.Error()
	}
	return &refusal{a.service.protocol.status(e.Code), e.Code, e.Message}
}

// call finds and runs the operation. A panic on the way becomes an error.
func (s *Server) call(r *http.Request, a *answer, body []byte) (op *wire.Operation, out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.stack = string(debug.Stack())
			op, out, err = nil, nil, fmt.Errorf("panic: %v", p)
		}
	}()
	service := a.service
	req, err := service.protocol.read(service.model, r, body)
	a.Action = req.action
	if err != nil {
		return nil, nil, err
	}
	if !s.throttle.admits(&a.Caller, ClassOf(req.action)) {
		return nil, nil, service.protocol.throttled()
	}
	if e := service.looking[req.action]; e != nil && !s.throttle.admits(&a.Caller, ClassDescribe) {
		return nil, nil, e
	}
	op = service.model.Operations[req.action]
	if op == nil {
		if e := service.foreign[req.action]; e != nil {
			return nil, nil, e
		}
		return nil, nil, service.protocol.unknown(req.action)
	}
	offered := service.offered[req.action]
	if offered == nil {
		return nil, nil, secgroup.Errorf("UnsupportedOperation", "The operation %s is not supported by this installation.", op.Name)
	}
	in := op.NewInput()
	if err := req.decode(in); err != nil {
		return nil, nil, err
	}
	run, err := offered.prepare(&a.Call, in)
	if err != nil {
		return nil, nil, err
	}
	if err := s.Authorizer.Authorize(r.Context(), &a.Call, in); err != nil {
		return nil, nil, err
	}
	if offered.isDryRun(in) {
		return nil, nil, secgroup.Errorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	out, err = run(control.WithRequest(r.Context(), a.RequestID))
	return op, out, service.worded(op.Name, err)
}

// guess returns the service that a request without a good signature is meant
// for: the one it claims, else by its target, else by its version.
func (s *Server) guess(r *http.Request, body []byte, claimed string) *Service {
	if service := s.services[claimed]; service != nil {
		return service
	}
	target := r.Header.Get("X-Amz-Target")
	version := ""
	if len(body) <= maxGuess { // no work for strangers beyond what any call of a client takes
		if form, err := query.ParseForm(r.URL.RawQuery, body); err == nil {
			version = form.Version()
		}
	}
	for _, service := range s.Services {
		prefix := service.model.TargetPrefix
		if prefix != "" && strings.HasPrefix(target, prefix+".") || prefix == "" && version == service.model.Version {
			return service
		}
	}
	return s.Services[0]
}

// record writes the one log record of a request: who asked for what, and what
// came of it. Nothing of the request's own values is in it.
func (s *Server) record(ctx context.Context, a *answer, code string, status int, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request", a.RequestID),
		slog.String("service", a.Service),
		slog.String("action", show(a.Action)),
		slog.String("region", a.Region),
		slog.String("principal", a.ARN),
		slog.String("key", a.AccessKey),
		slog.String("code", code),
		slog.Int("status", status),
		slog.Duration("took", took),
	}
	if a.detail != "" {
		attrs = append(attrs, slog.String("detail", a.detail))
	}
	if a.stack != "" {
		attrs = append(attrs, slog.String("stack", a.stack))
	}
	if status >= http.StatusInternalServerError && code != errThrottled.Code {
		level = slog.LevelError
	}
	s.Log.LogAttrs(ctx, level, "api call", attrs...)
}

// show bounds what a client can make us log.
func show(s string) string { return fmt.Sprintf("%.100s", s) }

// newRequestID returns a random UUID.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
