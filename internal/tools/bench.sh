#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures this tree on this machine and prints the table: bench.sh [flags].
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ]; then
	echo "the benchmarks make network namespaces and load eBPF programs; run them as root" >&2
	exit 1
fi
mkdir -p bin
go build -trimpath -o bin/hedgeward ./cmd/hedgeward
go build -trimpath -o bin/bench ./test/bench
exec bin/bench "$@"
