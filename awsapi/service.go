// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Caller is the principal whose signature a call bears.
type Caller struct {
	Account   string // 12 digits
	Region    string // of the credential scope; set by the server, never by Credentials
	User      string // name of the IAM user; "" for the account itself
	UserID    string // unique id, AIDA… or the account's
	ARN       string // arn:aws:iam::ACCOUNT:user/NAME
	AccessKey string // id of the key, not its secret

	Session *control.Session // of temporary credentials; nil for a long-term key
}

// Call is one authenticated request on its way through an operation.
type Call struct {
	Caller
	Service   string // "ec2"
	Action    string // "CreateSecurityGroup"
	RequestID string // as the client is told

	Source    netip.Addr // of the connection; no header is believed
	Secure    bool       // over TLS
	Resources []string   // what the call touches, as its Authorizer found: ARNs or "*"
}

// Scope returns what the caller sees: resources of its account in the Region
// that it signed for.
func (c *Call) Scope() secgroup.Scope {
	return secgroup.Scope{Account: c.Account, Region: c.Region}
}

// Behalf returns on whose behalf control works.
func (c *Call) Behalf() control.Caller {
	return control.Caller{Scope: c.Scope(), ARN: c.ARN}
}

// Actor returns the caller as policies judge it.
func (c *Call) Actor() control.Actor {
	return control.Actor{Account: c.Account, User: c.User, UserID: c.UserID, ARN: c.ARN, AccessKey: c.AccessKey, Session: c.Session}
}

// Circumstances returns what conditions may ask about the request itself.
func (c *Call) Circumstances() access.Context {
	about := access.Context{}
	about.Add("aws:RequestedRegion", c.Region)
	about.Add("aws:SecureTransport", strconv.FormatBool(c.Secure))
	if c.Source.IsValid() {
		about.Add("aws:SourceIp", c.Source.String())
	}
	return about
}

// Operation is one operation that the installation offers. Make it with Op.
type Operation struct {
	name    string
	in, out reflect.Type
	dryRun  int // index of the input's DryRun field, -1 for none
	prepare func(*Call, any) (func(context.Context) (any, error), error)
}

// Op makes an operation of two phases, so that the order of checks in
// docs/spec/ec2-api.md section 1.5 holds everywhere. prepare checks what the
// request alone can show: what is missing, contradictory or ill-formed (steps 4
// and 5). The dispatcher then asks whether the caller may do it and answers
// DryRun (6 and 7). Only then does it call what prepare returned, for what
// depends on state, and for the change itself (8 to 11). Errors meant for the
// client are *secgroup.Error.
func Op[In, Out any](name string, prepare func(*Call, *In) (run func(context.Context) (*Out, error), err error)) Operation {
	op := Operation{name: name, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), dryRun: -1}
	if f, ok := op.in.FieldByName("DryRun"); ok && f.Type == reflect.TypeFor[*bool]() {
		op.dryRun = f.Index[0]
	}
	op.prepare = func(c *Call, in any) (func(context.Context) (any, error), error) {
		run, err := prepare(c, in.(*In))
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (any, error) {
			out, err := run(ctx)
			if err != nil {
				return nil, err
			}
			return out, nil
		}, nil
	}
	return op
}

// RegionalOp is Op for operations on what an account has in a Region. Before any
// of them looks at anything, the caller's account gets what it is born with there
// (docs/spec/ec2-api.md section 4.2).
func RegionalOp[In, Out any](regions *control.Service, name string, prepare func(*Call, *In) (run func(context.Context) (*Out, error), err error)) Operation {
	return Op(name, func(c *Call, in *In) (func(context.Context) (*Out, error), error) {
		run, err := prepare(c, in)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (*Out, error) {
			if err := regions.EnsureRegion(ctx, c.Scope()); err != nil {
				return nil, err
			}
			return run(ctx)
		}, nil
	})
}

// isDryRun reports whether the request only wants to know.
func (op *Operation) isDryRun(in any) bool {
	if op.dryRun < 0 {
		return false
	}
	flag, _ := reflect.ValueOf(in).Elem().Field(op.dryRun).Interface().(*bool)
	return flag != nil && *flag
}

// Service is a model, the protocol it is spoken in, and those of its operations
// that the installation offers.
type Service struct {
	model    *wire.Model
	protocol Protocol
	offered  map[string]*Operation
	foreign  map[string]*secgroup.Error // see Refuse
	looking  map[string]*secgroup.Error // see Looking
	lost     map[string]*secgroup.Error // see Lost
}

// NewService returns a service. Operations of the model that are not among ops
// answer UnsupportedOperation. It panics when an operation is not in the model,
// has other types than the model gives it, or comes twice: bugs of ours that no
// request can cause.
func NewService(model *wire.Model, protocol Protocol, ops ...Operation) *Service {
	s := &Service{model: model, protocol: protocol, offered: make(map[string]*Operation, len(ops))}
	for _, op := range ops {
		declared := model.Operations[op.name]
		switch {
		case declared == nil:
			panic(fmt.Sprintf("awsapi: %s has no operation %s", model.Service, op.name))
		case s.offered[op.name] != nil:
			panic(fmt.Sprintf("awsapi: operation %s of %s comes twice", op.name, model.Service))
		case reflect.TypeOf(declared.NewInput()).Elem() != op.in, reflect.TypeOf(declared.NewOutput()).Elem() != op.out:
			panic(fmt.Sprintf("awsapi: operation %s of %s takes %T and gives %T", op.name, model.Service, declared.NewInput(), declared.NewOutput()))
		}
		s.offered[op.name] = &op
	}
	return s
}

// Refuse has operations answer e that the service has and the model here does
// not. It returns s.
func (s *Service) Refuse(e *secgroup.Error, operations ...string) *Service {
	s.foreign = each(operations, e)
	return s
}

// Looking has operations, which describe what their caller has in another service,
// use up the calls that the caller has for that, and answer e if none is left. It
// returns s.
func (s *Service) Looking(e *secgroup.Error, operations ...string) *Service {
	s.looking = each(operations, e)
	return s
}

// Lost has operations answer e when their change lost to those of other servers
// each time (control.ErrContended). It returns s.
func (s *Service) Lost(e *secgroup.Error, operations ...string) *Service {
	s.lost = each(operations, e)
	return s
}

// each gives all operations the same error.
func each(operations []string, e *secgroup.Error) map[string]*secgroup.Error {
	out := make(map[string]*secgroup.Error, len(operations))
	for _, name := range operations {
		out[name] = e
	}
	return out
}

// worded returns what an operation answers to err.
func (s *Service) worded(operation string, err error) error {
	if e := s.lost[operation]; e != nil && errors.Is(err, control.ErrContended) {
		return e
	}
	return err
}

// Name returns the service's name in credential scopes.
func (s *Service) Name() string { return s.model.Service }

// Offered returns the names of the operations that the installation offers, in
// alphabetical order.
func (s *Service) Offered() []string { return slices.Sorted(maps.Keys(s.offered)) }
