// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"strings"
)

// returnsTrue lists operations that declare a result and answer
// <return>true</return> all the same, besides those that declare none
// (docs/spec/ec2-api.md sections 1.2 and 3.1).
var returnsTrue = map[string]bool{"ec2:CreateSecurityGroup": true}

// operations writes the table that the dispatcher and the codecs start from.
func (g *generator) operations(b *bytes.Buffer) {
	namespace := g.Metadata.XMLNamespace
	if g.Metadata.Protocol == "ec2" && !strings.HasSuffix(namespace, "/") {
		namespace += "/" // the service writes it so; the model does not
	}
	fmt.Fprintf(b, "// Model is %s, version %s.\n", g.Metadata.ServiceFullName, g.Metadata.APIVersion)
	fmt.Fprintf(b, "var Model = &wire.Model{\n")
	fmt.Fprintf(b, "\tService: %q,\n\tVersion: %q,\n", g.service(), g.Metadata.APIVersion)
	if namespace != "" {
		fmt.Fprintf(b, "\tNamespace: %q,\n", namespace)
	}
	if g.Metadata.TargetPrefix != "" {
		fmt.Fprintf(b, "\tTargetPrefix: %q,\n", g.Metadata.TargetPrefix)
	}
	fmt.Fprintf(b, "\tOperations: map[string]*wire.Operation{\n")
	for _, name := range sorted(g.Operations) {
		op := g.Operations[name]
		fmt.Fprintf(b, "\t\t%q: {Name: %q", name, name)
		fmt.Fprintf(b, ", NewInput: func() any { return new(%s) }", goName(op.Input.Shape))
		fmt.Fprintf(b, ", NewOutput: func() any { return new(%s) }", goName(op.Output.Shape))
		if op.Output.ResultWrapper != "" {
			fmt.Fprintf(b, ", Wrapper: %q", op.Output.ResultWrapper)
		}
		if op.NoOutput || returnsTrue[g.service()+":"+name] {
			fmt.Fprintf(b, ", ReturnTrue: true")
		}
		fmt.Fprintf(b, "},\n")
	}
	fmt.Fprintf(b, "\t},\n")
	if g.Metadata.Protocol == "json" { // whose services check them before anything else
		fmt.Fprintf(b, "\tEnumerations: Enumerations,\n")
	}
	fmt.Fprintf(b, "}\n")
}

// enumerations writes the values of every enumeration that requests can carry.
func (g *generator) enumerations(b *bytes.Buffer) {
	fmt.Fprintf(b, "// Enumerations holds, in the model's order, the values that the model allows\n")
	fmt.Fprintf(b, "// for the enumerations named by enum= in the rules of request fields.\n")
	fmt.Fprintf(b, "var Enumerations = map[string][]string{\n")
	for _, name := range sorted(g.used) {
		s := g.Shapes[name]
		if len(s.Enum) == 0 || g.used[name]&inRequest == 0 {
			continue
		}
		fmt.Fprintf(b, "\t%q: {\n", name)
		for _, v := range s.Enum {
			fmt.Fprintf(b, "\t\t%q,\n", v)
		}
		fmt.Fprintf(b, "\t},\n")
	}
	fmt.Fprintf(b, "}\n")
}
