// SPDX-License-Identifier: Apache-2.0

// Command apigen writes the Go types of a service from its published API model:
// one struct per request, result and structure, with the wire names of every
// field in its tags (see awsapi/wire), the table of operations, and the values
// of enumerations. The same model always gives the same bytes.
// It knows shapes only: no operation's meaning and no protocol.
//
//	apigen -model ../../models/ec2.json -package ec2types -out .
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("apigen: ")
	path := flag.String("model", "", "API model, JSON")
	pkg := flag.String("package", "", "name of the package to write")
	out := flag.String("out", ".", "folder to write into")
	flag.Parse()
	if *path == "" || *pkg == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*path, *pkg, *out); err != nil {
		log.Fatal(err)
	}
}

func run(path, pkg, out string) error {
	files, err := generate(path, pkg)
	if err != nil {
		return err
	}
	for _, name := range sorted(files) {
		if err := os.WriteFile(filepath.Join(out, name), files[name], 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
