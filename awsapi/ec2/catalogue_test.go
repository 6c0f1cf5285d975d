// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// entry is a refusal that docs/spec/ec2-api.md lists: a row of the error
// catalogue of section 13, or of one of the tables that section 13.4 names.
type entry struct {
	code, message string
	matches       *regexp.Regexp // messages of its form
}

var (
	section  = regexp.MustCompile(`(?m)^#{2,3} (\d+(?:\.\d+)*)\.? .*$`)
	inQuotes = regexp.MustCompile("`([A-Z][A-Za-z.]+)`: `([^`]+)`")
	alone    = regexp.MustCompile("^`([A-Z][A-Za-z.]+)`(?:$| / | with )")
	// Words of a message that stand for something else.
	placeholder = regexp.MustCompile(`[a-z]+(?:-[a-z]+)*-…|vpc-[abc]\b|'vpc'|\b(?:NAME|ACCT|PEER|SPEC|X|N|A|B|x)\b|\b10\.0\.0\.0/24\b|\(1\)|\d+|…`)
)

// sections returns the text of a specification's sections by number, without that
// of the sections below them.
func sections(t *testing.T, path string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	at := section.FindAllStringSubmatchIndex(string(b), -1)
	for i, m := range at {
		end := len(b)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		out[string(b[m[2]:m[3]])] = string(b[m[1]:end])
	}
	return out
}

// row is a line of a table: its cells by the heads of their columns.
type row map[string]string

// tableRows returns the rows of every table of a text.
func tableRows(text string) (out []row) {
	var heads []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			heads = nil
			continue
		}
		if strings.HasPrefix(line, "|--") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if heads == nil {
			for _, c := range cells {
				heads = append(heads, strings.TrimSpace(c))
			}
			continue
		}
		r := row{}
		for i, c := range cells[:min(len(cells), len(heads))] {
			r[heads[i]] = strings.TrimSpace(c)
		}
		out = append(out, r)
	}
	return out
}

func readEntry(code, message string) entry {
	form, last := "", 0
	for _, m := range placeholder.FindAllStringIndex(message, -1) {
		form += regexp.QuoteMeta(message[last:m[0]]) + `.*`
		last = m[1]
	}
	return entry{code, message, regexp.MustCompile(`(?s)^` + form + regexp.QuoteMeta(message[last:]) + `$`)}
}

// catalogue returns everything that the specification lists.
func catalogue(t *testing.T) (all []entry) {
	t.Helper()
	spec := sections(t, "../../docs/spec/ec2-api.md")
	for _, number := range []string{"13.1", "13.2", "13.3"} {
		for _, r := range tableRows(spec[number]) {
			all = append(all, readEntry(r["Code"], r["Message"]))
		}
	}
	for _, number := range []string{"7", "8.2", "9.1", "10"} {
		for _, r := range tableRows(spec[number]) {
			cell := r["Error"] + r["Error when not allowed"]
			pairs := inQuotes.FindAllStringSubmatch(cell, -1)
			for _, m := range pairs {
				all = append(all, readEntry(m[1], m[2]))
			}
			if m := alone.FindStringSubmatch(cell); m != nil && len(pairs) == 0 {
				all = append(all, readEntry(m[1], "…"))
			}
		}
	}
	if len(all) < 150 {
		t.Fatalf("found %d refusals; the test itself is broken", len(all))
	}
	return all
}

func (e entry) String() string { return e.code + ": " + e.message }

// checkCatalogue wants every refusal of the catalogue to be among those that the
// cases were answered with, or to be in one of the lists that say why not.
func checkCatalogue(t *testing.T, seen []refusal) {
	t.Helper()
	named := map[string]bool{}
	for _, e := range catalogue(t) {
		name := e.String()
		named[name] = true
		provoked := slices.ContainsFunc(seen, func(r refusal) bool { return r.code == e.code && e.matches.MatchString(r.message) })
		reason := elsewhere[name] + never[name]
		switch {
		case provoked && reason != "":
			t.Errorf("%s is provoked by a case: take it from the list (%s)", name, reason)
		case !provoked && reason == "":
			t.Errorf("no case is answered with %s", name)
		}
	}
	for name, file := range elsewhere {
		code, message, _ := strings.Cut(name, ": ")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range append(placeholder.Split(message, -1), code) {
			if part = strings.TrimSpace(part); !strings.Contains(string(b), part) {
				t.Errorf("%s is to be in %s, which does not hold %q", name, file, part)
			}
		}
	}
	for _, list := range []map[string]string{elsewhere, never} {
		for name := range list {
			if !named[name] {
				t.Errorf("%s is not in the catalogue", name)
			}
		}
	}
}

var listed = regexp.MustCompile(`(?m)^(\d+)\. `)

// TestEveryDecisionIsACase wants a case for each point of section 16, each
// deviation of sections 15.1 and 15.3, and each trap of section 15.4.
func TestEveryDecisionIsACase(t *testing.T) {
	var names []string
	for _, scene := range readScripts(t, "testdata/conformance") {
		_, name, _ := strings.Cut(scene.name, "/")
		names = append(names, name+" ")
	}
	spec := sections(t, "../../docs/spec/ec2-api.md")
	var wanted []string
	for _, r := range tableRows(spec["16"]) {
		wanted = append(wanted, "decision "+r["#"]+" ")
	}
	for _, r := range tableRows(spec["15.1"]) {
		wanted = append(wanted, "15.1 "+r["Area"]+" ")
	}
	for _, r := range tableRows(spec["15.3"]) {
		wanted = append(wanted, "15.3 "+r["Implementation"]+" ")
	}
	for _, m := range listed.FindAllStringSubmatch(spec["15.4"], -1) {
		wanted = append(wanted, "trap "+m[1]+" ")
	}
	if len(wanted) < 55 {
		t.Fatalf("found %d; the test itself is broken", len(wanted))
	}
	for _, w := range wanted {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, w) }) && besides[w] == "" {
			t.Errorf("docs/spec/ec2-api.md has %sand testdata/conformance has not", w)
		}
	}
}
