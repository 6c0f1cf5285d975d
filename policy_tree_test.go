// SPDX-License-Identifier: Apache-2.0

package hedgeward_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// source is one file of the repository, paths relative to its root.
type source struct {
	path      string
	text      string
	ast       *ast.File // Go only
	generated bool
}

func (s *source) dir() string  { return path.Dir(s.path) }
func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) lines() int   { return strings.Count(s.text, "\n") }
func (s *source) isC() bool    { e := path.Ext(s.path); return e == ".c" || e == ".h" }
func (s *source) isCarried() bool {
	for d := range carried {
		if strings.HasPrefix(s.path, d+"/") {
			return true
		}
	}
	return false
}

// imports returns what the file imports.
func (s *source) imports() []string {
	var out []string
	for _, i := range s.ast.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			out = append(out, p)
		}
	}
	return out
}

// notSource are directories that hold no source of ours.
var notSource = map[string]bool{".git": true, ".cache": true, "bin": true, "testdata": true}

var generatedMark = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

var fset = token.NewFileSet()

// tree reads the repository once: every text file but those in notSource.
var tree = sync.OnceValues(func() ([]*source, error) {
	var out []*source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if notSource[d.Name()] {
				return filepath.SkipDir
			}
			return nil
		}
		switch path.Ext(p) {
		case ".go", ".c", ".h", ".sh", ".md", ".json", ".yml", ".yaml", ".conf", ".mod", "", ".txtar":
		default:
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		s := &source{path: filepath.ToSlash(p), text: string(b)}
		if path.Ext(p) == ".go" {
			s.generated = generatedMark.MatchString(s.text)
			if s.ast, err = parser.ParseFile(fset, p, b, parser.ParseComments); err != nil {
				return err
			}
		}
		out = append(out, s)
		return nil
	})
	return out, err
})

// files returns the files for which keep reports true.
func files(t *testing.T, keep func(*source) bool) []*source {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatalf("read the repository: %v", err)
	}
	var out []*source
	for _, s := range all {
		if keep(s) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		t.Fatal("no file to check: the check itself is broken")
	}
	return out
}

func isGo(s *source) bool { return s.ast != nil }

// packages returns the directories that hold Go files, sorted, but for the root,
// which holds only these tests.
func packages(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range files(t, isGo) {
		seen[s.dir()] = true
	}
	delete(seen, ".")
	var out []string
	for d := range seen {
		out = append(out, d)
	}
	sort.Strings(out)
	return out
}

// under reports whether p is prefix or lies below it.
func under(p, prefix string) bool {
	return p == prefix || strings.HasPrefix(p, strings.TrimSuffix(prefix, "/")+"/")
}
