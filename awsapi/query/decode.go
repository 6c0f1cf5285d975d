// SPDX-License-Identifier: Apache-2.0

package query

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Decode fills the request in, a pointer to a generated type, from the form.
// Unknown parameters and scalars of the wrong type are refused with the
// documented error; whether something required is missing is not looked at
// (docs/spec/ec2-api.md section 1.1). An empty value under the name of a list
// or structure counts as absent, and so does whatever holds nothing else. The
// error is a *secgroup.Error.
func (f *Form) Decode(in any) error {
	v := reflect.ValueOf(in).Elem()
	_, err := structure(wire.ShapeOf(v.Type(), wire.In), f.params, 0, v)
	return err
}

// structure sets the members of v from params, whose names all start with the
// same at bytes, and reports whether anything was set.
func structure(s *wire.Shape, params []param, at int, v reflect.Value) (bool, error) {
	set := false
	for len(params) > 0 {
		name := part(params[0].name[at:])
		n := run(params, at, name)
		field := s.Field(name)
		if field == nil {
			return false, unknown(params[0])
		}
		some, err := member(field, params[:n], at+len(name), v.Field(field.Index))
		if err != nil {
			return false, err
		}
		set = set || some
		params = params[n:]
	}
	return set, nil
}

// member sets one member of a structure. All params start with its full name,
// which is at bytes long.
func member(field *wire.Field, params []param, at int, v reflect.Value) (bool, error) {
	if field.Value.Kind != wire.List {
		return single(field.Value, params, at, v)
	}
	params, err := below(params, at)
	if err != nil || len(params) == 0 {
		return false, err
	}
	at++
	if field.Item == "" {
		return list(field.Value.Elem, params, at, v)
	}
	// The older protocol puts the name of the elements before the index.
	if n := run(params, at, field.Item); n < len(params) {
		return false, unknown(params[n])
	}
	at += len(field.Item)
	if params, err = below(params, at); err != nil || len(params) == 0 {
		return false, err
	}
	return list(field.Value.Elem, params, at+1, v)
}

// single sets a scalar or a structure.
func single(value *wire.Value, params []param, at int, v reflect.Value) (bool, error) {
	if value.Kind != wire.Struct {
		if len(params) > 1 || len(params[0].name) > at {
			return false, unknown(params[len(params)-1])
		}
		return true, scalar(value, params[0], v)
	}
	params, err := below(params, at)
	if err != nil || len(params) == 0 {
		return false, err
	}
	target := v
	if v.Kind() == reflect.Pointer {
		target = reflect.New(value.Type).Elem()
	}
	set, err := structure(value.Struct, params, at+1, target)
	if set && v.Kind() == reflect.Pointer {
		v.Set(target.Addr())
	}
	return set, err
}

// list appends an element for every index in params. Gaps close up.
func list(elem *wire.Value, params []param, at int, v reflect.Value) (bool, error) {
	if v.Type().Elem().Kind() != reflect.String {
		v.Grow(1)
	} else {
		v.Grow(len(params))
	}
	for len(params) > 0 {
		index := part(params[0].name[at:])
		if !isIndex(index) {
			return false, unknown(params[0])
		}
		n := run(params, at, index)
		last := v.Len()
		if last == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(last + 1)
		v.Index(last).SetZero()
		set, err := single(elem, params[:n], at+len(index), v.Index(last))
		if err != nil {
			return false, err
		}
		if !set {
			v.SetLen(last)
		}
		params = params[n:]
	}
	if v.Len() == 0 {
		v.SetZero()
	}
	return v.Len() > 0, nil
}

// below drops the parameter that names the list or structure itself, which must
// be empty, and returns those under it. The name is at bytes long.
func below(params []param, at int) ([]param, error) {
	if len(params[0].name) == at {
		if params[0].value != "" {
			return nil, unknown(params[0])
		}
		params = params[1:]
	}
	return params, nil
}

// part returns name up to its first dot.
func part(name string) string {
	if i := strings.IndexByte(name, '.'); i >= 0 {
		return name[:i]
	}
	return name
}

// run returns how many of the leading params have name as the part that starts
// at byte at.
func run(params []param, at int, name string) int {
	end := at + len(name)
	for i, p := range params {
		if len(p.name) < end || p.name[at:end] != name || len(p.name) > end && p.name[end] != '.' {
			return i
		}
	}
	return len(params)
}

func unknown(p param) error {
	return secgroup.Errorf("UnknownParameter", "The parameter %s is not recognized", show(p.name))
}

// scalar sets v, a pointer or a list element, from the text of p.
func scalar(value *wire.Value, p param, v reflect.Value) error {
	var err error
	text := p.value
	switch value.Kind {
	case wire.String:
		put(v, text)
	case wire.Int32:
		var n int64
		if n, err = integer(text, 32); err == nil {
			put(v, int32(n))
		}
	case wire.Int64:
		var n int64
		if n, err = integer(text, 64); err == nil {
			put(v, n)
		}
	case wire.Bool:
		switch {
		case text == "1" || strings.EqualFold(text, "true"):
			put(v, true)
		case text == "0" || strings.EqualFold(text, "false"):
			put(v, false)
		default:
			err = strconv.ErrSyntax
		}
	case wire.Float64:
		var x float64
		if x, err = strconv.ParseFloat(text, 64); err == nil && (x-x != 0) {
			err = strconv.ErrRange // infinity or not a number
		}
		if err == nil {
			put(v, x)
		}
	case wire.Time:
		var t time.Time
		if t, err = time.Parse(time.RFC3339Nano, text); err == nil {
			put(v, t.UTC())
		}
	case wire.Blob:
		var b []byte
		if b, err = base64.StdEncoding.DecodeString(text); err == nil {
			v.SetBytes(b)
		}
	default:
		return unknown(p)
	}
	if err != nil {
		return secgroup.Errorf("InvalidParameterValue", "Invalid value '%s' for %s.", show(text), value.Kind)
	}
	return nil
}

// put stores x in v, which holds a T or a *T.
func put[T any](v reflect.Value, x T) {
	switch p := v.Addr().Interface().(type) {
	case **T:
		*p = &x
	case *T:
		*p = x
	}
}

// integer parses a decimal number with an optional minus sign.
func integer(text string, bits int) (int64, error) {
	if strings.HasPrefix(text, "+") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(text, 10, bits)
}
