// SPDX-License-Identifier: Apache-2.0

package hedgeward_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	mdLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdHeading = regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
	mdFence   = regexp.MustCompile("(?ms)^```.*?^```")
	notAnchor = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// anchors returns the fragment names of a Markdown text's headings.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, h := range mdHeading.FindAllStringSubmatch(mdFence.ReplaceAllString(text, ""), -1) {
		a := notAnchor.ReplaceAllString(strings.ToLower(h[1]), "")
		out[strings.ReplaceAll(a, " ", "-")] = true
	}
	return out
}

func isMarkdown(s *source) bool { return path.Ext(s.path) == ".md" }

func TestLinksLeadSomewhere(t *testing.T) {
	for _, s := range files(t, isMarkdown) {
		for _, m := range mdLink.FindAllStringSubmatch(mdFence.ReplaceAllString(s.text, ""), -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			text := s.text
			if target != "" {
				p := path.Join(s.dir(), target)
				b, err := os.ReadFile(p)
				if err != nil {
					if st, dirErr := os.Stat(p); dirErr != nil || !st.IsDir() {
						t.Errorf("%s links to %s, which is not there", s.path, m[1])
					}
					continue
				}
				text = string(b)
			}
			if fragment != "" && !anchors(text)[fragment] {
				t.Errorf("%s links to %s, but there is no such heading", s.path, m[1])
			}
		}
	}
}

var (
	commentJoin = regexp.MustCompile(`\s*\n\s*(//|\*|#)?\s*`)
	citation    = regexp.MustCompile(`docs/spec/([a-z0-9-]+\.md)(?:,? sections? (\d+(?:\.[0-9A-Z]+)*))?`)
	caseCited   = regexp.MustCompile(`\b(PKT|API|AS)-([A-Z]{1,2}[0-9]+[a-z]?)\b`)
	caseRow     = regexp.MustCompile(`(?m)^\| ([A-Z]{1,2}[0-9]+[a-z]?) \|`)
	numbered    = regexp.MustCompile(`(?m)^#+ (\d+(?:\.[0-9A-Z]+)*)\.? `)
)

// specOf names the text that holds the cases of a prefix.
var specOf = map[string]string{
	"PKT": "docs/spec/packet-semantics.md",
	"API": "docs/spec/ec2-api.md",
	"AS":  "docs/spec/appstream.md",
}

// firstGroup returns what the first group of re matches in the file.
func firstGroup(t *testing.T, file string, re *regexp.Regexp) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	out := map[string]bool{}
	for _, m := range re.FindAllStringSubmatch(string(b), -1) {
		out[m[1]] = true
	}
	return out
}

func TestCitationsOfTheSpecificationExist(t *testing.T) {
	sections := map[string]map[string]bool{}
	cases := map[string]map[string]bool{}
	for prefix, file := range specOf {
		sections[path.Base(file)] = firstGroup(t, file, numbered)
		cases[prefix] = firstGroup(t, file, caseRow)
		if len(cases[prefix]) < 50 || len(sections[path.Base(file)]) < 10 {
			t.Fatalf("%s: found %d cases and %d sections; the check itself is broken", file, len(cases[prefix]), len(sections[path.Base(file)]))
		}
	}
	sections["ec2-api-fields.md"] = map[string]bool{}

	for _, s := range files(t, func(s *source) bool { return isGo(s) || s.isC() || isMarkdown(s) }) {
		text := commentJoin.ReplaceAllString(s.text, " ")
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			known, ok := sections[m[1]]
			if !ok {
				t.Errorf("%s cites %s, which is not there", s.path, m[0])
			} else if m[2] != "" && !known[m[2]] {
				t.Errorf("%s cites %s, but there is no such section", s.path, m[0])
			}
		}
		for _, m := range caseCited.FindAllStringSubmatch(s.text, -1) {
			if !cases[m[1]][m[2]] {
				t.Errorf("%s cites case %s, which %s does not have", s.path, m[0], specOf[m[1]])
			}
		}
	}
}

func TestDesignNamesEveryPackage(t *testing.T) {
	b, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		if !strings.Contains(string(b), "`"+p+"`") {
			t.Errorf("DESIGN.md does not say what package `%s` is for", p)
		}
	}
}
