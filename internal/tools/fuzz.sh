#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of the tree for FUZZTIME (20s), one after the other. A
# failing input is left in the package's testdata/fuzz: commit it with the fix.
set -euo pipefail
cd "$(dirname "$0")/../.."

targets=$(grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's|^\./(.*)/[^/]+:[0-9]+:func (Fuzz.*)$|\1 \2|' | sort -u)
if [ -z "$targets" ]; then
	echo "no fuzz target found" >&2
	exit 1
fi
while read -r dir name; do
	echo "== $dir $name"
	go test "./$dir" -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-20s}"
done <<<"$targets"
