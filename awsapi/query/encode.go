// SPDX-License-Identifier: Apache-2.0

package query

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hedgeward/hedgeward/awsapi/wire"
)

const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// encoder writes XML. Its time layout is the only thing in which the two
// protocols' values differ.
type encoder struct {
	b      []byte
	layout string
}

// EC2Result returns the answer to a call of op that went well: requestId first,
// no wrapper, nil slices and pointers absent, empty slices as empty elements
// (docs/spec/ec2-api.md section 1.2). out points to the operation's result; nil
// stands for an empty one. The answer is appended to b.
func EC2Result(b []byte, m *wire.Model, op *wire.Operation, requestID string, out any) []byte {
	e := &encoder{b: b, layout: "2006-01-02T15:04:05.000Z"}
	e.root(m, op)
	e.text("requestId", requestID)
	if op.ReturnTrue {
		e.text("return", "true")
	}
	e.result(out)
	e.b = append(append(append(e.b, "</"...), op.Name...), "Response>\n"...)
	return e.b
}

// AWSResult is EC2Result for services of the older query protocol: a wrapper
// around the result, the request's id at the end (docs/spec/ec2-api.md section
// 11.3).
func AWSResult(b []byte, m *wire.Model, op *wire.Operation, requestID string, out any) []byte {
	e := &encoder{b: b, layout: "2006-01-02T15:04:05Z"}
	e.root(m, op)
	if op.Wrapper != "" {
		e.open(op.Wrapper)
	}
	e.result(out)
	if op.Wrapper != "" {
		e.close(op.Wrapper)
	}
	e.open("ResponseMetadata")
	e.text("RequestId", requestID)
	e.close("ResponseMetadata")
	e.b = append(append(append(e.b, "</"...), op.Name...), "Response>\n"...)
	return e.b
}

// EC2Error returns the EC2 error document: no namespace, RequestID in this
// spelling (docs/spec/ec2-api.md section 1.3).
func EC2Error(code, message, requestID string) []byte {
	e := &encoder{b: append(make([]byte, 0, 512), head...)}
	e.b = append(e.b, "<Response><Errors><Error>"...)
	e.text("Code", code)
	e.text("Message", message)
	e.b = append(e.b, "</Error></Errors>"...)
	e.text("RequestID", requestID)
	e.b = append(e.b, "</Response>\n"...)
	return e.b
}

// AWSError returns the error document of the older query protocol. Side is
// "Sender" for the caller's mistakes and "Receiver" for ours.
func AWSError(m *wire.Model, side, code, message, requestID string) []byte {
	e := &encoder{b: make([]byte, 0, 512)}
	e.b = append(append(append(e.b, `<ErrorResponse xmlns="`...), m.Namespace...), `"><Error>`...)
	e.text("Type", side)
	e.text("Code", code)
	e.text("Message", message)
	e.close("Error")
	e.text("RequestId", requestID)
	e.b = append(e.b, "</ErrorResponse>\n"...)
	return e.b
}

func (e *encoder) root(m *wire.Model, op *wire.Operation) {
	e.b = append(append(append(e.b, head...), '<'), op.Name...)
	e.b = append(append(append(e.b, `Response xmlns="`...), m.Namespace...), `">`...)
}

func (e *encoder) result(out any) {
	v := reflect.ValueOf(out)
	if !v.IsValid() || v.IsNil() {
		return
	}
	e.structure(wire.ShapeOf(v.Type().Elem(), wire.Out), v.Elem())
}

func (e *encoder) open(name string) {
	e.b = append(append(append(e.b, '<'), name...), '>')
}

func (e *encoder) close(name string) {
	e.b = append(append(append(e.b, '<', '/'), name...), '>')
}

func (e *encoder) text(name, s string) {
	e.open(name)
	e.escape(s)
	e.close(name)
}

func (e *encoder) structure(s *wire.Shape, v reflect.Value) {
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		if fv.IsNil() {
			continue
		}
		if f.Value.Kind != wire.List {
			e.value(&f.Tag, f.Value, fv)
			continue
		}
		n := fv.Len()
		if n == 0 {
			e.b = append(e.b, f.Tag.Empty...)
			continue
		}
		e.b = append(e.b, f.Tag.Open...)
		for j := range n {
			e.value(&f.ItemTag, f.Value.Elem, fv.Index(j))
		}
		e.b = append(e.b, f.Tag.Close...)
	}
}

// value writes one element. v is a pointer that is not nil, or the element of a
// list.
func (e *encoder) value(tag *wire.Tag, value *wire.Value, v reflect.Value) {
	e.b = append(e.b, tag.Open...)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch value.Kind {
	case wire.Struct:
		e.structure(value.Struct, v)
	case wire.String:
		e.escape(v.String())
	case wire.Int32, wire.Int64:
		e.b = strconv.AppendInt(e.b, v.Int(), 10)
	case wire.Bool:
		e.b = strconv.AppendBool(e.b, v.Bool())
	case wire.Float64:
		e.b = strconv.AppendFloat(e.b, v.Float(), 'f', -1, 64)
	case wire.Time:
		e.b = v.Addr().Interface().(*time.Time).UTC().AppendFormat(e.b, e.layout)
	case wire.Blob:
		e.b = base64.StdEncoding.AppendEncode(e.b, v.Bytes())
	}
	e.b = append(e.b, tag.Close...)
}

// plain holds the bytes that stand for themselves in XML, whatever is around
// them.
var plain = func() (is [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		is[c] = c != '&' && c != '<' && c != '>'
	}
	return is
}()

// escape writes text. What XML cannot carry at all becomes U+FFFD.
func (e *encoder) escape(s string) {
	done := 0
	for i := 0; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		var with string
		switch {
		case r == '&':
			with = "&amp;"
		case r == '<':
			with = "&lt;"
		case r == '>':
			with = "&gt;"
		case r == '\r':
			with = "&#xD;"
		case r < ' ' && r != '\t' && r != '\n', r == 0xFFFE, r == 0xFFFF, r == utf8.RuneError && size == 1:
			with = "\uFFFD"
		}
		if with != "" {
			e.b = append(append(e.b, s[done:i]...), with...)
			done = i + size
		}
		i += size
	}
	e.b = append(e.b, s[done:]...)
}
