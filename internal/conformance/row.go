// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"slices"
	"strings"
)

// Row is a line of the table of section 7, or of what sections 1 to 5 say beyond
// it. The first word of its Name is the case, or begins with its letter and a
// number from 90 on.
type Row struct{ Name, Setup, Steps string }

// OracleOnly says of rows why no program can be asked: the host has no such thing
// yet.
var OracleOnly = map[string]string{
	"C26":                  "there are no gateway endpoints, and so no connection that costs two entries",
	"H18":                  "there is no API for multicast domains",
	"H19":                  "there is no API for multicast domains",
	"H20":                  "there is no API for multicast domains",
	"L90-purge-remote-off": "flows are found by the id that the remote address has at its owner: with another owner they are another's",
	"H23":                  "a program run cannot have a tag in its metadata: TestTagInMetadata of package datapath sends one",
}

// Rows returns the table.
func Rows() []Row {
	return slices.Concat(rowsA, rowsB, rowsC, rowsD, rowsE, rowsF, rowsG, rowsH, rowsI, headers(), rowsJ, rowsK, rowsL, rowsM)
}

// topology is that of section 7, with A and A2 on one instance.
const topology = `
vpc V1 10.0.0.0/16 2001:db8:1::/56 subnets 10.0.1.0/24 10.0.2.0/24 2001:db8:1:1::/64
vpc V2 10.1.0.0/16 subnets 10.1.0.0/24
vpc V3 10.0.0.0/16 subnets 10.0.1.0/24
vpc V4 172.20.0.0/16 subnets 172.20.0.0/24
host H1 203.0.113.1
host H2 203.0.113.2
host H6 2001:db8:ffff::1
group open V1
rule open in all 0/0
rule open in all ::/0
rule open out all 0/0
rule open out all ::/0
group open2 V2
rule open2 in all 0/0
rule open2 out all 0/0
group openX V3
rule openX in all 0/0
rule openX out all 0/0
group open4 V4
rule open4 in all 0/0
rule open4 out all 0/0
interface A  V1 02:00:00:00:00:0a 10.0.1.10 2001:db8:1:1::a 10.0.1.11 10.0.1.64/28 groups open instance i-A
interface A2 V1 02:00:00:00:00:2a 10.0.2.12 groups open instance i-A
interface B  V1 02:00:00:00:00:0b 10.0.1.20 2001:db8:1:1::b 10.0.1.21 10.0.1.80/28 groups open
interface C  V1 02:00:00:00:00:0c 10.0.2.30 groups open
interface N  V1 02:00:00:00:00:0e 10.0.1.50 groups open
interface D  V2 02:00:00:00:00:0d 10.1.0.40 groups open2
interface X  V3 02:00:00:00:00:0f 10.0.1.20 groups openX
interface T  V4 02:00:00:00:00:1f 172.20.0.50 groups open4
`

var shorthand = map[string]string{
	"IN∅":  "",
	"OUT∅": "",
	"OUT*": "out all 0/0; out all ::/0",
	"OPEN": "in all 0/0; in all ::/0; out all 0/0; out all ::/0",
	"W":    "in tcp/22 H1/32; in tcp/80 0/0; in tcp/80 ::/0; in icmp all 0/0; out all 0/0; out all ::/0",
}

// clauses splits text at semicolons and replaces the shorthand.
func clauses(text string) []string {
	var out []string
	for _, c := range strings.Split(text, ";") {
		c = strings.TrimSpace(c)
		label, rest, labelled := strings.Cut(c, ": ")
		if !labelled {
			label, rest = "", c
		}
		if long, ok := shorthand[strings.TrimSpace(rest)]; ok {
			rest = long
		}
		if label != "" {
			out = append(out, label+":")
		}
		for _, r := range strings.Split(rest, ";") {
			if r = strings.TrimSpace(r); r != "" {
				out = append(out, r)
			}
		}
	}
	return out
}
