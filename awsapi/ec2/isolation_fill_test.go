// SPDX-License-Identifier: Apache-2.0

package ec2

import "reflect"

// fillTexts sets every text of a request, in lists and structures too, to what
// value gives for its field; "" leaves it absent. Lists get one element.
func fillTexts(in any, value func(field string) string) {
	fillValue("", reflect.ValueOf(in).Elem(), 0, value)
}

// deepestFill bounds the structures of a request that are followed: some hold
// themselves.
const deepestFill = 4

// fillValue reports whether it set anything.
func fillValue(field string, v reflect.Value, depth int, value func(string) string) bool {
	switch v.Kind() {
	case reflect.String:
		s := value(field)
		v.SetString(s)
		return s != ""
	case reflect.Pointer:
		next := reflect.New(v.Type().Elem())
		if !fillValue(field, next.Elem(), depth, value) {
			return false
		}
		v.Set(next)
		return true
	case reflect.Slice:
		next := reflect.New(v.Type().Elem())
		if v.Type().Elem().Kind() == reflect.Uint8 || !fillValue(field, next.Elem(), depth, value) {
			return false
		}
		v.Set(reflect.Append(reflect.MakeSlice(v.Type(), 0, 1), next.Elem()))
		return true
	case reflect.Struct:
		set := false
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && depth < deepestFill && fillValue(f.Name, v.Field(i), depth+1, value) {
				set = true
			}
		}
		return set
	}
	return false
}
