// SPDX-License-Identifier: Apache-2.0

// Package json11 is the codec of the AWS JSON 1.1 protocol, which AppStream
// speaks (docs/spec/ec2-api.md section 11.4, docs/spec/appstream.md).
//
// It works from the descriptions of awsapi/wire and knows no HTTP.
package json11

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Decode fills the request in, a pointer to a generated type, from a JSON
// object; an empty body counts as {}. Members that the model does not have are
// ignored and null is absent, as these services do. A body that is no JSON
// object or has a value of the wrong type is refused with
// SerializationException. The error is a *secgroup.Error.
func Decode(body []byte, in any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		return secgroup.Errorf("SerializationException", "The request body is not valid JSON.")
	}
	if _, err := d.Token(); err != io.EOF {
		return secgroup.Errorf("SerializationException", "The request body holds more than one JSON value.")
	}
	object, ok := raw.(map[string]any)
	if !ok {
		return secgroup.Errorf("SerializationException", "The request body is not a JSON object.")
	}
	v := reflect.ValueOf(in).Elem()
	return structure(wire.ShapeOf(v.Type(), wire.In), object, v, "")
}

func structure(s *wire.Shape, object map[string]any, v reflect.Value, path string) error {
	for i := range s.Fields {
		f := &s.Fields[i]
		raw, ok := object[f.Name]
		if !ok || raw == nil {
			continue
		}
		if err := value(f.Value, raw, v.Field(f.Index), path+f.Name); err != nil {
			return err
		}
	}
	return nil
}

// value sets v, which holds a T or a *T.
func value(w *wire.Value, raw any, v reflect.Value, path string) error {
	wrong := func() error {
		return secgroup.Errorf("SerializationException", "The value of %s is not a valid %s.", path, w.Kind)
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(w.Type))
		v = v.Elem()
	}
	switch w.Kind {
	case wire.Struct:
		object, ok := raw.(map[string]any)
		if !ok {
			return wrong()
		}
		return structure(w.Struct, object, v, path+".")
	case wire.List:
		items, ok := raw.([]any)
		if !ok {
			return wrong()
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, len(items)))
		for i, item := range items {
			if item == nil {
				continue
			}
			v.SetLen(v.Len() + 1)
			if err := value(w.Elem, item, v.Index(v.Len()-1), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case wire.Map:
		object, ok := raw.(map[string]any)
		if !ok {
			return wrong()
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), len(object)))
		for _, key := range slices.Sorted(maps.Keys(object)) {
			item := object[key]
			if item == nil {
				continue
			}
			elem := reflect.New(v.Type().Elem()).Elem()
			if err := value(w.Elem, item, elem, path+"."+key); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
		}
		return nil
	}
	if !scalar(w.Kind, raw, v) {
		return wrong()
	}
	return nil
}

// scalar sets v and reports whether raw was of the kind.
func scalar(kind wire.Kind, raw any, v reflect.Value) bool {
	switch kind {
	case wire.String:
		s, ok := raw.(string)
		v.SetString(s)
		return ok
	case wire.Bool:
		b, ok := raw.(bool)
		v.SetBool(b)
		return ok
	case wire.Blob:
		s, _ := raw.(string)
		b, err := base64.StdEncoding.DecodeString(s)
		v.SetBytes(b)
		_, ok := raw.(string)
		return ok && err == nil
	}
	number, ok := raw.(json.Number)
	if !ok {
		return false
	}
	switch kind {
	case wire.Int32, wire.Int64:
		n, err := strconv.ParseInt(number.String(), 10, int(v.Type().Size())*8)
		v.SetInt(n)
		return err == nil
	case wire.Float64:
		x, err := number.Float64()
		v.SetFloat(x)
		return err == nil
	case wire.Time:
		x, err := number.Float64() // seconds since 1970
		if err != nil || math.Abs(x) > 1<<40 {
			return false
		}
		v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(x * 1000))).UTC()))
		return true
	}
	return false
}
