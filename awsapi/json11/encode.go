// SPDX-License-Identifier: Apache-2.0

package json11

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/wire"
)

// Result returns the answer to a call that went well. out points to the
// operation's result; nil stands for an empty one. Nil members are absent,
// empty lists and maps are there and empty.
func Result(out any) []byte {
	v := reflect.ValueOf(out)
	if !v.IsValid() || v.IsNil() {
		return []byte("{}")
	}
	return appendStruct(nil, wire.ShapeOf(v.Type().Elem(), wire.Out), v.Elem())
}

// Error returns the body of a refusal. The message is there in both spellings
// that clients look for (docs/spec/appstream.md).
func Error(code, message string) []byte {
	b := append([]byte(nil), `{"__type":`...)
	b = appendString(b, code)
	b = appendString(append(b, `,"Message":`...), message)
	b = appendString(append(b, `,"message":`...), message)
	return append(b, '}')
}

func appendStruct(b []byte, s *wire.Shape, v reflect.Value) []byte {
	b = append(b, '{')
	first := true
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		if fv.IsNil() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, f.Name), ':')
		b = appendValue(b, f.Value, fv)
	}
	return append(b, '}')
}

// appendValue writes v, which is an element or a pointer that is not nil.
func appendValue(b []byte, w *wire.Value, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch w.Kind {
	case wire.Struct:
		return appendStruct(b, w.Struct, v)
	case wire.List:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, w.Elem, v.Index(i))
		}
		return append(b, ']')
	case wire.Map:
		keys := make([]string, 0, v.Len())
		for _, k := range v.MapKeys() {
			keys = append(keys, k.String())
		}
		slices.Sort(keys)
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k), ':')
			b = appendValue(b, w.Elem, v.MapIndex(reflect.ValueOf(k).Convert(v.Type().Key())))
		}
		return append(b, '}')
	case wire.Int32, wire.Int64:
		return strconv.AppendInt(b, v.Int(), 10)
	case wire.Bool:
		return strconv.AppendBool(b, v.Bool())
	case wire.Float64:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	case wire.Time:
		ms := v.Interface().(time.Time).UnixMilli()
		return strconv.AppendFloat(b, float64(ms)/1000, 'f', -1, 64)
	case wire.Blob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	}
	return appendString(b, v.String())
}

func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // cannot fail: a string
	return append(b, text...)
}
