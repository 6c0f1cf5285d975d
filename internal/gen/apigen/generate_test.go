// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The small model has one of everything: each kind of scalar, a list with an
// element name of its own, a queryName, a range, an enumeration, an operation
// without result, and a structure that nothing reaches.
func TestGolden(t *testing.T) {
	files, err := generate("testdata/pets.json", "pettypes")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sorted(files) {
		golden := filepath.Join("testdata", "pets", strings.TrimSuffix(name, ".go")+".golden")
		if *update {
			if err := os.WriteFile(golden, files[name], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(files[name], want) {
			t.Errorf("%s differs from %s; got:\n%s", name, golden, files[name])
		}
	}
}

func TestGeneratedTypesAreCurrent(t *testing.T) {
	for service, pkg := range map[string]string{"ec2": "ec2types", "sts": "ststypes", "appstream": "appstreamtypes"} {
		root := filepath.Join("..", "..", "..", "awsapi")
		files, err := generate(filepath.Join(root, "models", service+".json"), pkg)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range sorted(files) {
			have, err := os.ReadFile(filepath.Join(root, service, pkg, name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(have, files[name]) {
				t.Errorf("%s/%s is not what the model says; run go generate ./awsapi/...", pkg, name)
			}
		}
		committed, err := filepath.Glob(filepath.Join(root, service, pkg, "*_gen.go"))
		if err != nil || len(committed) != len(files) {
			t.Errorf("%s has %d generated files, the generator writes %d (%v)", pkg, len(committed), len(files), err)
		}
	}
}

func TestModelsThatCannotBeCarried(t *testing.T) {
	const head = `{"metadata":{"protocol":"ec2"},"operations":{"A":{"name":"A","input":{"shape":"R"}}},"shapes":`
	for name, text := range map[string]string{
		"unknown shape": head + `{"R":{"type":"structure","members":{"M":{"shape":"X"}}}}}`,
		"list of lists": head + `{"R":{"type":"structure","members":{"M":{"shape":"L"}}},"L":{"type":"list","member":{"shape":"L"}}}}`,
		"map":           head + `{"R":{"type":"structure","members":{"M":{"shape":"L"}}},"L":{"type":"map","key":{"shape":"S"},"value":{"shape":"S"}},"S":{"type":"string"}}}`,
		"no input":      `{"metadata":{},"operations":{"A":{"name":"A"}},"shapes":{}}`,
		"no JSON":       `{`,
	} {
		path := filepath.Join(t.TempDir(), "m.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := generate(path, "p"); err == nil {
			t.Errorf("%s: generated without complaint", name)
		}
	}
}
