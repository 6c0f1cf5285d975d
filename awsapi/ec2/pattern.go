// SPDX-License-Identifier: Apache-2.0

package ec2

import "strings"

// pattern is one value of a filter. It matches whole values, letter case
// included: '*' stands for any number of characters, '?' for exactly one, and a
// backslash takes the meaning of the next character away. A backslash at the end
// stands for itself (docs/spec/ec2-api.md section 1.9).
type pattern struct {
	exact  string // used when tokens is nil
	tokens []rune // wildcards as anyRun and anyOne, everything else literally
}

// Characters of a value are never negative.
const (
	anyRun rune = -1
	anyOne rune = -2
)

func newPattern(value string) pattern {
	if !strings.ContainsAny(value, `*?\`) {
		return pattern{exact: value}
	}
	p := pattern{tokens: []rune{}}
	escaped := false
	for _, r := range value {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
			continue
		case r == '*':
			r = anyRun
		case r == '?':
			r = anyOne
		}
		p.tokens = append(p.tokens, r)
	}
	if escaped {
		p.tokens = append(p.tokens, '\\')
	}
	return p
}

// matches reports whether the pattern matches the whole value. It needs time in
// proportion to the product of both lengths at worst: no input makes it
// exponential.
func (p pattern) matches(value string) bool {
	if p.tokens == nil {
		return p.exact == value
	}
	chars := []rune(value)
	at, char := 0, 0      // next token, next character
	star, resume := -1, 0 // last run seen, and where its rest was tried last
	for char < len(chars) {
		switch {
		case at < len(p.tokens) && p.tokens[at] == anyRun:
			star, resume = at, char
			at++
		case at < len(p.tokens) && (p.tokens[at] == anyOne || p.tokens[at] == chars[char]):
			at++
			char++
		case star >= 0: // let the run take one more
			resume++
			at, char = star+1, resume
		default:
			return false
		}
	}
	for at < len(p.tokens) && p.tokens[at] == anyRun {
		at++
	}
	return at == len(p.tokens)
}
