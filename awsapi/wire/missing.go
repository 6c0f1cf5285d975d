// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"reflect"
	"strconv"
)

// Missing returns the wire name of the first member of the request in that the
// model demands and that is absent or empty, e.g. "GroupName" or
// "SecurityGroupRule.1.SecurityGroupRuleId"; ok is false when nothing is
// missing. Operations that spell the name otherwise, or demand more than the
// model does, check for themselves (docs/spec/ec2-api.md section 1.3).
func Missing(in any) (name string, ok bool) {
	v := reflect.ValueOf(in).Elem()
	return missing(ShapeOf(v.Type(), In), v, "")
}

func missing(s *Shape, v reflect.Value, prefix string) (string, bool) {
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		if f.Required && empty(fv) {
			return prefix + f.Name, true
		}
		switch {
		case f.Value.Kind == Struct && !fv.IsNil():
			if name, ok := missing(f.Value.Struct, fv.Elem(), prefix+f.Name+"."); ok {
				return name, true
			}
		case f.Value.Kind == List && f.Value.Elem.Kind == Struct:
			item := prefix + f.Name + "."
			if f.Item != "" {
				item += f.Item + "."
			}
			for n := range fv.Len() {
				if name, ok := missing(f.Value.Elem.Struct, fv.Index(n), item+strconv.Itoa(n+1)+"."); ok {
					return name, true
				}
			}
		}
	}
	return "", false
}

// empty reports whether a required member counts as not given.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsNil() || v.Elem().Kind() == reflect.String && v.Elem().Len() == 0
}
