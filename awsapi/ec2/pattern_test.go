// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"web", "web", true},
		{"web", "Web", false},
		{"web", "web1", false},
		{"", "", true},
		{"", "a", false},
		{"w?b*", "web-front", true}, // Q3
		{"w?b*", "wb", false},
		{"w?b*", "a web", false}, // anchored
		{"*", "", true},
		{"?", "", false},
		{"?", "é", true},
		{`a\*b`, "a*b", true}, // Q4
		{`a\*b`, "axb", false},
		{`\*amazon\?\\`, `*amazon?\`, true},
		{`a\`, `a\`, true},
		{`\a`, "a", true},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b*", "xxbxxaxx", false},
	} {
		if got := newPattern(c.pattern).matches(c.value); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.value, got)
		}
	}
}

func TestPatternIsNeverExponential(t *testing.T) {
	p := newPattern(strings.Repeat("*a", 100) + "*b")
	begin := time.Now()
	if p.matches(strings.Repeat("a", 10000)) {
		t.Error("matches without a b")
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

// FuzzPattern compares patterns with regular expressions of the same meaning.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{{"w?b*", "web"}, {`a\*b`, "a*b"}, {`\`, `\`}, {"*a*b?", "aabb"}, {"**", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		text, value = strings.ToValidUTF8(text, "�"), strings.ToValidUTF8(value, "�")
		if got, want := newPattern(text).matches(value), expression(text).MatchString(value); got != want {
			t.Errorf("%q matches %q: %v, the expression says %v", text, value, got, want)
		}
	})
}

func expression(text string) *regexp.Regexp {
	var b strings.Builder
	chars := []rune(text)
	for i := 0; i < len(chars); i++ {
		switch {
		case chars[i] == '\\' && i+1 < len(chars):
			i++
			b.WriteString(regexp.QuoteMeta(string(chars[i])))
		case chars[i] == '*':
			b.WriteString(".*")
		case chars[i] == '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(chars[i])))
		}
	}
	return regexp.MustCompile(`(?s)\A(?:` + b.String() + `)\z`)
}
