// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"
	"strings"
)

// pattern is a text with wildcards and policy variables, ready to be matched.
// What a variable stands for is matched literally, whatever characters it holds.
type pattern []part

type part struct {
	kind     partKind
	text     string // of a literal; of a variable its key in lower case
	fallback *string
}

type partKind uint8

const (
	literal  partKind = iota
	anyText           // *
	anyOne            // ?
	variable          // ${key} or ${key, 'fallback'}
)

// features are what has a meaning in a pattern; anything else is literal.
type features uint8

const (
	wildcards features = 1 << iota
	variables
)

// compile reads a pattern.
func compile(s string, f features) (pattern, error) {
	var p pattern
	var plain strings.Builder
	add := func(parts ...part) {
		if plain.Len() > 0 {
			p = append(p, part{kind: literal, text: plain.String()})
			plain.Reset()
		}
		p = append(p, parts...)
	}
	for s != "" {
		switch {
		case f&wildcards != 0 && s[0] == '*':
			add(part{kind: anyText})
		case f&wildcards != 0 && s[0] == '?':
			add(part{kind: anyOne})
		case f&variables != 0 && strings.HasPrefix(s, "${"):
			inner, rest, ok := strings.Cut(s[2:], "}")
			if !ok {
				return nil, fmt.Errorf("the policy variable in %.100q has no end", s)
			}
			if inner == "*" || inner == "?" || inner == "$" { // these stand for themselves
				plain.WriteString(inner)
				s = rest
				continue
			}
			v, err := compileVariable(inner)
			if err != nil {
				return nil, err
			}
			add(v)
			s = rest
			continue
		default:
			plain.WriteByte(s[0])
		}
		s = s[1:]
	}
	add()
	return p, nil
}

func compileVariable(inner string) (part, error) {
	key, rest, hasFallback := strings.Cut(inner, ",")
	v := part{kind: variable, text: strings.ToLower(strings.TrimSpace(key))}
	if err := checkKey(v.text); err != nil {
		return part{}, fmt.Errorf("policy variable: %w", err)
	}
	if hasFallback {
		rest = strings.TrimSpace(rest)
		if len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' {
			return part{}, fmt.Errorf("the default of the policy variable ${%.100s} is not in single quotes", inner)
		}
		rest = rest[1 : len(rest)-1]
		v.fallback = &rest
	}
	return v, nil
}

// The symbols of an expanded pattern beside characters.
const (
	symbolAny rune = -1
	symbolOne rune = -2
)

// expand replaces the variables; ok is false when one has no value, or more than
// one.
func (p pattern) expand(c Context) (symbols []rune, ok bool) {
	for _, part := range p {
		switch part.kind {
		case literal:
			symbols = append(symbols, []rune(part.text)...)
		case anyText:
			symbols = append(symbols, symbolAny)
		case anyOne:
			symbols = append(symbols, symbolOne)
		case variable:
			values := c[part.text]
			switch {
			case len(values) == 1:
				symbols = append(symbols, []rune(values[0])...)
			case len(values) == 0 && part.fallback != nil:
				symbols = append(symbols, []rune(*part.fallback)...)
			default:
				return nil, false
			}
		}
	}
	return symbols, true
}

// match reports whether all of s is what p describes.
func (p pattern) match(s string, c Context) bool {
	if len(p) == 1 && p[0].kind == literal {
		return p[0].text == s
	}
	if len(p) == 1 && p[0].kind == anyText {
		return true
	}
	symbols, ok := p.expand(c)
	return ok && glob(symbols, []rune(s))
}

// glob matches in time proportional to the product of the lengths: after a
// mismatch only the last * is tried again, one character further.
func glob(symbols, s []rune) bool {
	i, j := 0, 0
	star, resume := -1, 0
	for j < len(s) {
		switch {
		case i < len(symbols) && symbols[i] == symbolAny:
			star, resume = i, j
			i++
		case i < len(symbols) && (symbols[i] == symbolOne || symbols[i] == s[j]):
			i++
			j++
		case star >= 0:
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	for i < len(symbols) && symbols[i] == symbolAny {
		i++
	}
	return i == len(symbols)
}

// resource is a pattern of ARNs: one pattern for each of the six parts, so that
// a * never reaches across a colon, except in the last. nil matches everything,
// and it alone matches "*", the resource of operations that touch none.
type resource []pattern

const arnParts = 6

// compileResource reads a pattern of ARNs. Parts that are missing at the end are
// taken as *.
func compileResource(text string, withVariables bool) (resource, error) {
	if text == "*" {
		return nil, nil
	}
	if !strings.HasPrefix(text, "arn:") {
		return nil, fmt.Errorf("the resource %.200q is neither * nor an ARN", text)
	}
	f := wildcards
	if withVariables {
		f |= variables
	}
	r := make(resource, 0, arnParts)
	for _, piece := range splitARN(text, withVariables) {
		p, err := compile(piece, f)
		if err != nil {
			return nil, fmt.Errorf("the resource %.200q: %w", text, err)
		}
		r = append(r, p)
	}
	for len(r) < arnParts {
		r = append(r, pattern{{kind: anyText}})
	}
	return r, nil
}

// splitARN cuts at the first five colons that are not inside of a variable.
func splitARN(text string, withVariables bool) []string {
	var parts []string
	start, inside := 0, false
	for i := 0; i < len(text) && len(parts) < arnParts-1; i++ {
		switch {
		case withVariables && strings.HasPrefix(text[i:], "${"):
			inside = true
		case text[i] == '}':
			inside = false
		case text[i] == ':' && !inside:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

func (r resource) match(arn string, c Context) bool {
	if r == nil {
		return true
	}
	parts := strings.SplitN(arn, ":", arnParts)
	if len(parts) != arnParts {
		return false
	}
	for i := range r {
		if !r[i].match(parts[i], c) {
			return false
		}
	}
	return true
}
