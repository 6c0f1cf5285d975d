#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The linters. Default none; each one here has its reason.
#
#   gofmt        one layout, so that no diff and no review is about layout
#   go vet       mistakes the compiler lets through: printf verbs, copied locks, lost cancels
#   staticcheck  dead code, impossible conditions, misused standard library;
#                pinned as a tool in go.mod, its checks in staticcheck.conf
#   policy       what our own reviews repeat (policy_test.go and its neighbours);
#                part of `go test`, so not called here
set -euo pipefail
cd "$(dirname "$0")/../.."

unformatted=$(git ls-files -co --exclude-standard '*.go' | while read -r f; do [ -e "$f" ] && echo "$f"; done | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not gofmt formatted (run gofmt -w on them):\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
go tool staticcheck ./...
echo "lint: gofmt, go vet and staticcheck have nothing to say"
