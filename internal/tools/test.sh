#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that must hold before a change lands, cheapest first. The last thing
# printed is go test's own summary, a line per package. SEED=n replays the random
# tests of an earlier run.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ]; then
	echo "tests load eBPF programs and make network namespaces: run make test as root (make lint needs no root)" >&2
	exit 1
fi
internal/tools/setup.sh
internal/tools/lint.sh
internal/tools/fresh.sh

# The packages in which goroutines share what they hold. The race detector needs a
# C compiler; everything else is built without one.
go test -race -count=1 -timeout 10m ./internal/clock/ ./store/ ./model/ ./control/ ./feed/... ./agent/ ./join/ ./enforced/ ./stream/ ./attach/...

# Whole-system tests build the programs that they drive.
go test -count=1 -timeout 15m ./...
