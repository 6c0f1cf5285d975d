// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/json11"
	"github.com/hedgeward/hedgeward/awsapi/query"
	"github.com/hedgeward/hedgeward/awsapi/sigv4"
	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Protocol is how a service's calls and answers look on the wire. The three
// there are: EC2Query, AWSQuery and JSON11.
type Protocol interface {
	// read finds the operation that an authenticated request names.
	read(m *wire.Model, r *http.Request, body []byte) (request, error)
	// headers sets what every answer carries.
	headers(h http.Header)
	// result appends the answer to a call that went well.
	result(b []byte, m *wire.Model, op *wire.Operation, requestID string, out any) []byte
	refuse(m *wire.Model, r refusal, requestID string) []byte
	// unsigned says how a refused signature is worded.
	unsigned(e *sigv4.Error) refusal
	// unknown says how an operation outside the model is worded.
	unknown(action string) *secgroup.Error
	// throttled says how a call too many is worded.
	throttled() *secgroup.Error
	// status returns the HTTP status of an error code.
	status(code string) int
}

// request is a call whose parameters are yet to be decoded.
type request struct {
	action string
	decode func(in any) error
}

// refusal is an error answer before it has a form.
type refusal struct {
	status  int
	code    string
	message string
}

var (
	EC2Query Protocol = ec2Query{} // docs/spec/ec2-api.md section 1
	AWSQuery Protocol = awsQuery{} // docs/spec/ec2-api.md section 11.3
	JSON11   Protocol = json11s{}  // docs/spec/appstream.md
)

// readForm is how both query protocols name their operation.
func readForm(r *http.Request, body []byte) (request, error) {
	form, err := query.ParseForm(r.URL.RawQuery, body)
	if err != nil {
		return request{}, err
	}
	if form.Action() == "" {
		return request{}, secgroup.Errorf("MissingAction", "The request is missing an action or a required parameter.")
	}
	if v := form.Version(); v != "" {
		if _, err := time.Parse(time.DateOnly, v); err != nil {
			return request{action: form.Action()}, secgroup.Errorf("InvalidParameterValue", "Value (%.40s) for parameter Version is invalid. Versions are dates of the form YYYY-MM-DD.", v)
		}
	}
	return request{action: form.Action(), decode: form.Decode}, nil
}

func invalidAction(action string) *secgroup.Error {
	return secgroup.Errorf("InvalidAction", "The action %.100s is not valid for this web service.", action)
}

type ec2Query struct{}

func (ec2Query) read(_ *wire.Model, r *http.Request, body []byte) (request, error) {
	return readForm(r, body)
}

func (ec2Query) headers(h http.Header) {
	h.Set("Content-Type", "text/xml;charset=UTF-8")
	h.Set("Server", "AmazonEC2")
}

func (ec2Query) result(b []byte, m *wire.Model, op *wire.Operation, requestID string, out any) []byte {
	return query.EC2Result(b, m, op, requestID, out)
}

func (ec2Query) refuse(_ *wire.Model, r refusal, requestID string) []byte {
	return query.EC2Error(r.code, r.message, requestID)
}

func (ec2Query) unknown(action string) *secgroup.Error { return invalidAction(action) }

type awsQuery struct{}

func (awsQuery) read(_ *wire.Model, r *http.Request, body []byte) (request, error) {
	return readForm(r, body)
}

func (awsQuery) headers(h http.Header) { h.Set("Content-Type", "text/xml") }

func (awsQuery) result(b []byte, m *wire.Model, op *wire.Operation, requestID string, out any) []byte {
	return query.AWSResult(b, m, op, requestID, out)
}

func (awsQuery) refuse(m *wire.Model, r refusal, requestID string) []byte {
	side := "Sender"
	if r.status >= 500 {
		side = "Receiver"
	}
	return query.AWSError(m, side, r.code, r.message, requestID)
}

func (awsQuery) unknown(action string) *secgroup.Error { return invalidAction(action) }

type json11s struct{}

func (json11s) read(m *wire.Model, r *http.Request, body []byte) (request, error) {
	action, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), m.TargetPrefix+".")
	if !ok {
		return request{}, secgroup.Errorf("UnknownOperationException", "The header X-Amz-Target does not name an operation of %s.", m.TargetPrefix)
	}
	return request{action: action, decode: func(in any) error {
		if err := json11.Decode(body, in); err != nil {
			return err
		}
		return json11.Validate(in, m.Enumerations)
	}}, nil
}

func (json11s) headers(h http.Header) { h.Set("Content-Type", "application/x-amz-json-1.1") }

func (json11s) result(b []byte, _ *wire.Model, _ *wire.Operation, _ string, out any) []byte {
	return append(b, json11.Result(out)...)
}

func (json11s) refuse(_ *wire.Model, r refusal, _ string) []byte {
	return json11.Error(r.code, r.message)
}

func (json11s) unknown(action string) *secgroup.Error {
	return secgroup.Errorf("UnknownOperationException", "The operation %.100s is not known.", action)
}
