// SPDX-License-Identifier: Apache-2.0

package hedgeward_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ownPath returns the path inside this module, and whether it is one.
func ownPath(imported string) (string, bool) {
	return strings.CutPrefix(imported, module+"/")
}

func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func TestEveryPackageHasARoom(t *testing.T) {
	all := packages(t)
	for _, p := range all {
		if _, ok := rooms[p]; !ok {
			t.Errorf("package %s is not in the table of policy_test.go: give it a rank and a reason", p)
		}
	}
	for p, r := range rooms {
		if r.why == "" {
			t.Errorf("package %s has a rank but no reason", p)
		}
		if !slices.Contains(all, p) {
			t.Errorf("package %s is in the table of policy_test.go but not in the tree", p)
		}
	}
}

func TestImportsRunDownhill(t *testing.T) {
	for _, s := range files(t, isGo) {
		from, ok := rooms[s.dir()]
		if !ok {
			continue // the root, or reported by TestEveryPackageHasARoom
		}
		for _, imported := range s.imports() {
			p, ours := ownPath(imported)
			if !ours {
				continue
			}
			to := rooms[p]
			if to.tests && !from.tests && !s.isTest() {
				t.Errorf("%s imports %s, which is for tests only", s.path, p)
			}
			if s.isTest() {
				continue // a test may reach up to what drives its package
			}
			if to.rank >= from.rank {
				t.Errorf("%s (rank %d) imports %s (rank %d): imports run downhill", s.path, from.rank, p, to.rank)
			}
			if from.own != nil && !slices.Contains(from.own, p) {
				t.Errorf("%s imports %s, but of this module %s may import only %v: %s", s.path, p, s.dir(), from.own, from.why)
			}
		}
	}
}

func TestOtherModulesAreUsedWhereTheTableSays(t *testing.T) {
	for _, s := range files(t, isGo) {
		from, ok := rooms[s.dir()]
		if !ok || s.isTest() {
			continue
		}
		for _, imported := range s.imports() {
			if _, ours := ownPath(imported); ours || isStandard(imported) {
				continue
			}
			if !slices.ContainsFunc(from.uses, func(u string) bool { return under(imported, u) }) {
				t.Errorf("%s imports %s, which package %s may not: %s", s.path, imported, s.dir(), from.why)
			}
		}
	}
	for _, p := range packages(t) {
		for _, u := range rooms[p].uses {
			used := false
			for _, s := range files(t, isGo) {
				used = used || s.dir() == p && slices.ContainsFunc(s.imports(), func(i string) bool { return under(i, u) })
			}
			if !used {
				t.Errorf("the table lets %s use %s, which it does not", p, u)
			}
		}
	}
}

func TestBannedImports(t *testing.T) {
	for _, s := range files(t, isGo) {
		if s.isTest() || s.generated || rooms[s.dir()].tests {
			continue
		}
		for _, imported := range s.imports() {
			for _, b := range bans {
				allowed := slices.ContainsFunc(b.except, func(e string) bool {
					return s.dir() == e || strings.HasSuffix(e, "/") && strings.HasPrefix(s.dir(), e)
				})
				if imported == b.imported && !allowed {
					t.Errorf("%s imports %s: %s", s.path, imported, b.why)
				}
			}
		}
	}
}

var (
	requireLine = regexp.MustCompile(`(?m)^\t(\S+) (v\S+)( // indirect)?$`)
	toolLine    = regexp.MustCompile(`(?m)^\t([a-z]\S*/\S+)$`)
)

func TestEveryModuleHasAReason(t *testing.T) {
	b, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod := string(b)
	if strings.Contains(mod, "\nreplace ") {
		t.Error("go.mod replaces a module: a clone must build what the sums say")
	}

	required := map[string]bool{} // module -> direct
	for _, m := range requireLine.FindAllStringSubmatch(mod, -1) {
		required[m[1]] = m[3] == ""
	}
	// owner returns the required module that provides an import path.
	owner := func(imported string) (best string) {
		for m := range required {
			if under(imported, m) && len(m) > len(best) {
				best = m
			}
		}
		return best
	}
	used := map[string]bool{}
	for _, m := range toolLine.FindAllStringSubmatch(mod, -1) {
		used[owner(m[1])] = true
	}
	for _, s := range files(t, isGo) {
		for _, imported := range s.imports() {
			if _, ours := ownPath(imported); !ours && !isStandard(imported) {
				used[owner(imported)] = true
			}
		}
	}
	for m := range used {
		if modules[m] == "" {
			t.Errorf("module %q is imported or a tool, but policy_test.go gives no reason for it", m)
		}
	}
	for m, why := range modules {
		switch {
		case !used[m]:
			t.Errorf("policy_test.go gives a reason for %s (%s), but nothing imports it", m, why)
		case !required[m] && !strings.HasPrefix(m, "honnef.co/"):
			t.Errorf("%s is imported here, but go.mod calls it indirect: run go mod tidy", m)
		}
	}
}
