// SPDX-License-Identifier: Apache-2.0

package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A document is read into nodes first, because the usual decoder forgives what
// must not be forgiven: members that come twice, and names in other letter case.

type nodeKind uint8

const (
	text nodeKind = iota
	number
	boolean
	array
	object
)

type node struct {
	kind    nodeKind
	value   string // of scalars, as written
	items   []node
	members []member
}

type member struct {
	name  string
	value node
}

// deepest is how far a document may be nested: its own form needs five levels.
const deepest = 8

func parseJSON(document string) (node, error) {
	if !utf8.ValidString(document) {
		return node{}, errors.New("the document is not UTF-8")
	}
	d := json.NewDecoder(strings.NewReader(document))
	d.UseNumber()
	n, err := parseNode(d, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("something follows the document")
	}
	return n, nil
}

func next(d *json.Decoder) (json.Token, error) {
	t, err := d.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("the document ends too early")
	}
	if err != nil {
		return nil, fmt.Errorf("the document is not JSON: %w", err)
	}
	return t, nil
}

func parseNode(d *json.Decoder, depth int) (node, error) {
	t, err := next(d)
	if err != nil {
		return node{}, err
	}
	switch t := t.(type) {
	case string:
		return node{kind: text, value: t}, nil
	case json.Number:
		return node{kind: number, value: t.String()}, nil
	case bool:
		return node{kind: boolean, value: fmt.Sprint(t)}, nil
	case json.Delim:
		if depth == deepest {
			return node{}, fmt.Errorf("the document is nested more than %d deep", deepest)
		}
		if t == '[' {
			return parseArray(d, depth+1)
		}
		return parseObject(d, depth+1)
	}
	return node{}, errors.New("the document holds a null, which means nothing")
}

func parseArray(d *json.Decoder, depth int) (node, error) {
	n := node{kind: array}
	for d.More() {
		item, err := parseNode(d, depth)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	_, err := next(d)
	return n, err
}

func parseObject(d *json.Decoder, depth int) (node, error) {
	n := node{kind: object}
	seen := map[string]bool{}
	for d.More() {
		t, err := next(d)
		if err != nil {
			return node{}, err
		}
		name, ok := t.(string)
		if !ok {
			return node{}, errors.New("the document is not JSON: a member has no name")
		}
		if seen[name] {
			return node{}, fmt.Errorf("the member %.60q comes twice", name)
		}
		seen[name] = true
		value, err := parseNode(d, depth)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, value})
	}
	_, err := next(d)
	return n, err
}

// object returns the members of n, all of which must be among allowed.
func (n node) object(what string, allowed ...string) (map[string]node, error) {
	if n.kind != object {
		return nil, fmt.Errorf("%s is not an object", what)
	}
	out := map[string]node{}
	for _, m := range n.members {
		if !slices.Contains(allowed, m.name) {
			return nil, fmt.Errorf("%s has a member %.60q; there are only %s", what, m.name, strings.Join(allowed, ", "))
		}
		out[m.name] = m.value
	}
	return out, nil
}

// text returns the string that n must be.
func (n node) text(what string) (string, error) {
	if n.kind != text {
		return "", fmt.Errorf("%s is not a string", what)
	}
	return n.value, nil
}

// texts returns the string or the list of strings that n must be. It is not
// empty.
func (n node) texts(what string) ([]string, error) {
	items := []node{n}
	if n.kind == array {
		items = n.items
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%s is empty", what)
	}
	out := make([]string, len(items))
	for i, item := range items {
		if item.kind != text {
			return nil, fmt.Errorf("%s is neither a string nor a list of strings", what)
		}
		out[i] = item.value
	}
	return out, nil
}

// scalars is texts for the values of conditions, which may be numbers and
// booleans too.
func (n node) scalars(what string) ([]string, error) {
	items := []node{n}
	if n.kind == array {
		items = n.items
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%s has no value", what)
	}
	out := make([]string, len(items))
	for i, item := range items {
		if item.kind == array || item.kind == object {
			return nil, fmt.Errorf("%s has a value that is neither a string, a number nor a boolean", what)
		}
		out[i] = item.value
	}
	return out, nil
}
