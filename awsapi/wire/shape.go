// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Direction selects which names of a type a codec works with.
type Direction uint8

const (
	In  Direction = iota // names in requests
	Out                  // names in results
)

// Kind is what a value is on the wire.
type Kind uint8

const (
	String Kind = iota
	Int32
	Int64
	Bool
	Float64
	Time
	Blob
	List
	Map
	Struct
)

// String returns the name that the API documentation has for the kind; error
// messages use it.
func (k Kind) String() string {
	return [...]string{"string", "integer", "long", "boolean", "double", "timestamp", "blob", "list", "map", "structure"}[k]
}

// Value describes one Go type in one direction.
type Value struct {
	Kind   Kind
	Elem   *Value       // of a List or Map
	Struct *Shape       // of a Struct
	Type   reflect.Type // without the pointer of scalars and structures
}

// Tag is an element's name as XML has it.
type Tag struct{ Open, Close, Empty string } // <name>, </name>, <name/>

func tagOf(name string) Tag {
	return Tag{"<" + name + ">", "</" + name + ">", "<" + name + "/>"}
}

// Field describes one member of a structure.
type Field struct {
	Name     string // on the wire
	Item     string // name of list elements; empty when flattened or no list
	Tag      Tag    // of Name
	ItemTag  Tag    // of Item
	Index    int    // in the Go struct
	Required bool
	Min, Max *int64 // of a number, or of the length of a string, list or map; nil without
	Enum     string // name of the enumeration that the value or its elements are of; "" for none
	Value    *Value
}

// Shape describes a structure in one direction. It is immutable.
type Shape struct {
	Fields []Field // in the order of the Go struct
	byName map[string]*Field
}

// Field returns the member with the wire name, nil when there is none.
func (s *Shape) Field(name string) *Field { return s.byName[name] }

type shapeKey struct {
	t reflect.Type
	d Direction
}

// shapes caches every Shape ever asked for; the set of types is fixed.
var shapes sync.Map // shapeKey -> *Shape

// ShapeOf returns the description of struct type t. It panics when t is not a
// generated type: a bug of ours, never of a request.
func ShapeOf(t reflect.Type, d Direction) *Shape {
	if s, ok := shapes.Load(shapeKey{t, d}); ok {
		return s.(*Shape)
	}
	s := buildShape(t, d, make(map[reflect.Type]*Shape))
	actual, _ := shapes.LoadOrStore(shapeKey{t, d}, s)
	return actual.(*Shape)
}

// buildShape describes t. A type that contains itself finds its own, unfinished
// description in open.
func buildShape(t reflect.Type, d Direction, open map[reflect.Type]*Shape) *Shape {
	if s := open[t]; s != nil {
		return s
	}
	s := &Shape{byName: make(map[string]*Field)}
	open[t] = s
	key := [...]string{In: "in", Out: "out"}[d]
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup(key)
		if !ok {
			continue
		}
		name, item, _ := strings.Cut(tag, ">")
		field := Field{Name: name, Item: item, Tag: tagOf(name), ItemTag: tagOf(item), Index: i, Value: buildValue(f.Type, d, open)}
		field.rules(f.Tag.Get("rule"))
		s.Fields = append(s.Fields, field)
	}
	for i := range s.Fields {
		s.byName[s.Fields[i].Name] = &s.Fields[i]
	}
	return s
}

// rules takes in the tag rule of a field.
func (f *Field) rules(tag string) {
	for rule := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(rule, "=")
		switch name {
		case "required":
			f.Required = true
		case "min", "max":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				panic(fmt.Sprintf("wire: rule %q of field %s: %v", tag, f.Name, err))
			}
			if name == "min" {
				f.Min = &n
			} else {
				f.Max = &n
			}
		case "enum":
			f.Enum = value
		}
	}
}

func buildValue(t reflect.Type, d Direction, open map[reflect.Type]*Shape) *Value {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	v := &Value{Type: t}
	switch {
	case t == reflect.TypeFor[time.Time]():
		v.Kind = Time
	case t == reflect.TypeFor[[]byte]():
		v.Kind = Blob
	case t.Kind() == reflect.String:
		v.Kind = String
	case t.Kind() == reflect.Int32:
		v.Kind = Int32
	case t.Kind() == reflect.Int64:
		v.Kind = Int64
	case t.Kind() == reflect.Bool:
		v.Kind = Bool
	case t.Kind() == reflect.Float64:
		v.Kind = Float64
	case t.Kind() == reflect.Slice:
		v.Kind, v.Elem = List, buildValue(t.Elem(), d, open)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		v.Kind, v.Elem = Map, buildValue(t.Elem(), d, open)
	case t.Kind() == reflect.Struct:
		v.Kind, v.Struct = Struct, buildShape(t, d, open)
	default:
		panic(fmt.Sprintf("wire: type %s does not travel", t))
	}
	return v
}
