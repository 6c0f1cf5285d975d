// SPDX-License-Identifier: Apache-2.0

package json11

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Validate checks the decoded request in, a pointer to a generated type, against
// the constraints of the model: what must be there, lengths, ranges and
// enumerations. All that is wrong is in one ValidationException
// (docs/spec/appstream.md section 2.5); the error is a *secgroup.Error.
func Validate(in any, enumerations map[string][]string) error {
	v := reflect.ValueOf(in).Elem()
	c := checker{enumerations: enumerations}
	c.structure(wire.ShapeOf(v.Type(), wire.In), v, "")
	return c.refusal()
}

// Invalid is the ValidationException for one value that breaks a constraint which
// the generated types do not have, in the words of the others.
func Invalid(path string, value any, constraint string) error {
	c := checker{}
	c.fail(path, fmt.Sprintf("'%v'", value), constraint)
	return c.refusal()
}

type checker struct {
	enumerations map[string][]string
	failed       []string
}

func (c *checker) refusal() error {
	switch n := len(c.failed); n {
	case 0:
		return nil
	case 1:
		return secgroup.Errorf("ValidationException", "1 validation error detected: %s", c.failed[0])
	default:
		return secgroup.Errorf("ValidationException", "%d validation errors detected: %s", n, strings.Join(c.failed, "; "))
	}
}

func (c *checker) fail(path, value, constraint string) {
	c.failed = append(c.failed, fmt.Sprintf("Value %.200s at '%s' failed to satisfy constraint: %s", value, path, constraint))
}

func (c *checker) structure(s *wire.Shape, v reflect.Value, path string) {
	for i := range s.Fields {
		f, fv := &s.Fields[i], v.Field(s.Fields[i].Index)
		at := path + strings.ToLower(f.Name[:1]) + f.Name[1:]
		if fv.IsNil() {
			if f.Required {
				c.fail(at, "null", "Member must not be null")
			}
			continue
		}
		if fv.Kind() == reflect.Pointer {
			fv = fv.Elem()
		}
		c.bounds(f, fv, at)
		c.value(f, f.Value, fv, at)
	}
}

func (c *checker) value(f *wire.Field, w *wire.Value, v reflect.Value, at string) {
	switch w.Kind {
	case wire.Struct:
		c.structure(w.Struct, v, at+".")
	case wire.List:
		for i := range v.Len() {
			c.value(f, w.Elem, v.Index(i), fmt.Sprintf("%s.%d.member", at, i+1))
		}
	case wire.String:
		if f.Enum != "" && !slices.Contains(c.enumerations[f.Enum], v.String()) {
			c.fail(at, "'"+v.String()+"'", fmt.Sprintf("Member must satisfy enum value set: %v", c.enumerations[f.Enum]))
		}
	}
}

// bounds checks how long, or how large, a value is.
func (c *checker) bounds(f *wire.Field, v reflect.Value, at string) {
	var size int64
	what := "have length"
	switch f.Value.Kind {
	case wire.String:
		size = int64(len([]rune(v.String())))
	case wire.List, wire.Map, wire.Blob:
		size = int64(v.Len())
	case wire.Int32, wire.Int64:
		size, what = v.Int(), "have value"
	default:
		return
	}
	shown := fmt.Sprintf("'%v'", v.Interface())
	if f.Min != nil && size < *f.Min {
		c.fail(at, shown, fmt.Sprintf("Member must %s greater than or equal to %d", what, *f.Min))
	}
	if f.Max != nil && size > *f.Max {
		c.fail(at, shown, fmt.Sprintf("Member must %s less than or equal to %d", what, *f.Max))
	}
}
