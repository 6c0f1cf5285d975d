// SPDX-License-Identifier: Apache-2.0

package hedgeward_test

import (
	"go/ast"
	"go/doc"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestEveryFileNamesItsLicence(t *testing.T) {
	for _, s := range files(t, func(s *source) bool { return isGo(s) || s.isC() || path.Ext(s.path) == ".sh" }) {
		want := "SPDX-License-Identifier: Apache-2.0"
		switch {
		case s.isCarried(), s.generated:
			want = "SPDX-License-Identifier: "
		case s.isC():
			want = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
		}
		head := strings.SplitAfterN(s.text, "\n", 4)
		if len(head) > 3 {
			head = head[:3]
		}
		if s.generated && !strings.Contains(s.text, want) && under(s.dir(), "datapath/internal/bpfobj") {
			continue // bpf2go writes the file whole and knows no licence; the package's doc.go has it
		}
		if !strings.Contains(strings.Join(head, ""), want) {
			t.Errorf("%s: no %q in its first three lines", s.path, want)
		}
	}
}

// limits matches the words in which a package comment draws its line.
var limits = regexp.MustCompile(`(?i)\b(never|not?|nothing|neither|nobody|none|only|cannot)\b`)

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	text := map[string]string{}
	name := map[string]string{}
	for _, s := range files(t, isGo) {
		if s.isTest() {
			continue
		}
		name[s.dir()] = s.ast.Name.Name
		if s.ast.Doc == nil {
			continue
		}
		if text[s.dir()] != "" {
			t.Errorf("%s: package %s has two package comments", s.path, s.dir())
		}
		text[s.dir()] = s.ast.Doc.Text()
	}
	for dir, pkg := range name {
		want := "Package " + pkg + " "
		if pkg == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		got := strings.ReplaceAll(text[dir], "\n", " ")
		switch {
		case got == "":
			t.Errorf("package %s has no package comment", dir)
		case !strings.HasPrefix(got, want):
			t.Errorf("package %s: its comment must begin with %q, not %.40q", dir, want, got)
		case strings.TrimSpace(got) == strings.TrimSpace(new(doc.Package).Synopsis(text[dir])):
			t.Errorf("package %s: one sentence does not say what it is and what it never does", dir)
		case !limits.MatchString(got):
			t.Errorf("package %s: its comment does not say what it never does or knows", dir)
		}
	}
}

func TestGeneratedCodeLivesAlone(t *testing.T) {
	hasGenerator := map[string]bool{}
	for _, s := range files(t, isGo) {
		by, listed := generated[s.dir()]
		base := path.Base(s.path)
		switch {
		case s.generated && !listed:
			t.Errorf("%s is generated, but %s is not listed in policy_test.go as a generated package", s.path, s.dir())
		case listed && !s.generated && !s.isTest() && base != "doc.go" && base != "gen.go":
			t.Errorf("%s is written by hand in a package that %s writes", s.path, by)
		}
		if strings.Contains(s.text, "\n//go:"+"generate ") {
			hasGenerator[s.dir()] = true
		}
	}
	for dir, by := range generated {
		if !hasGenerator[dir] {
			t.Errorf("%s has no go:%s line that calls %s", dir, "generate", by)
		}
	}
}

func TestFilesHaveOneIdea(t *testing.T) {
	for _, s := range files(t, func(s *source) bool { return isGo(s) || s.isC() || path.Ext(s.path) == ".sh" }) {
		if s.generated || s.isCarried() {
			continue
		}
		n, why := s.lines(), long[s.path]
		switch {
		case n > 800:
			t.Errorf("%s has %d lines; 800 is the end", s.path, n)
		case n > 500 && why == "":
			t.Errorf("%s has %d lines: split it, or give the reason in policy_test.go", s.path, n)
		case n <= 500 && why != "":
			t.Errorf("%s has %d lines and needs no exception any more", s.path, n)
		}
	}
}

// words splits an identifier or a file name into lower-case words.
func words(name string) []string {
	var b strings.Builder
	prevLower := false
	for _, r := range name {
		if unicode.IsUpper(r) && prevLower {
			b.WriteByte(' ')
		}
		prevLower = unicode.IsLower(r) || unicode.IsDigit(r)
		if !unicode.IsLetter(r) {
			r = ' '
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Fields(b.String())
}

func TestNamesSaySomething(t *testing.T) {
	refuse := func(where, name string) {
		for _, w := range words(name) {
			if slices.Contains(vagueWords, w) {
				t.Errorf("%s: %q says nothing: name what it is (%q)", where, name, w)
			}
		}
	}
	for _, s := range files(t, func(s *source) bool { return !s.isCarried() }) {
		for part := range strings.SplitSeq(s.path, "/") {
			refuse(s.path, part)
		}
		if !isGo(s) || s.generated {
			continue
		}
		refuse(s.path, s.ast.Name.Name)
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				refuse(s.path, d.Name.Name)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						refuse(s.path, spec.Name.Name)
					case *ast.ValueSpec:
						for _, n := range spec.Names {
							refuse(s.path, n.Name)
						}
					}
				}
			}
		}
	}
}

// leftovers are texts that belong to a desk, not to a repository. They are put
// together here so that this file does not contain them.
var leftovers = map[string]*regexp.Regexp{
	"unfinished work: finish it or file an issue": regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`),
	"a path of somebody's machine":                regexp.MustCompile(`(^|[\s"'(=])/(work|home|root|Users)` + `/[\w.-]+`),
	"a host that serves packages":                 regexp.MustCompile(`proxy\.golang` + `\.org|registry\.npm` + `js|deb\.debian` + `\.org`),
}

func TestNothingIsLeftOver(t *testing.T) {
	for _, s := range files(t, func(s *source) bool { return !s.isCarried() && s.path != "go.sum" }) {
		for i, line := range strings.Split(s.text, "\n") {
			for what, re := range leftovers {
				if m := re.FindString(line); m != "" {
					t.Errorf("%s:%d: %q: %s", s.path, i+1, m, what)
				}
			}
		}
	}
}

func TestTestsNeitherSkipNorSleep(t *testing.T) {
	slept, skipped := map[string]bool{}, map[string]bool{}
	for _, s := range files(t, isGo) {
		if !s.isTest() && !rooms[s.dir()].tests {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			on, _ := sel.X.(*ast.Ident)
			at := fset.Position(sel.Pos())
			switch sel.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				if on != nil && (on.Name == "t" || on.Name == "b" || on.Name == "tb") {
					skipped[s.path] = true
					if skips[s.path] == "" {
						t.Errorf("%s: a test that is skipped proves nothing: make its setup install what it needs", at)
					}
				}
			case "Sleep":
				if on != nil && on.Name == "time" {
					slept[s.path] = true
					if waits[s.path] == "" {
						t.Errorf("%s: wait for what you wait for, or hold the clock; time.Sleep makes tests slow and wrong", at)
					}
				}
			case "Short":
				if on != nil && on.Name == "testing" {
					t.Errorf("%s: there is one test run, not a short and a long one", at)
				}
			}
			return true
		})
	}
	for p := range waits {
		if !slept[p] {
			t.Errorf("%s is allowed to sleep and does not", p)
		}
	}
	for p := range skips {
		if !skipped[p] {
			t.Errorf("%s is allowed to skip and does not", p)
		}
	}
}
