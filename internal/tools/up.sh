#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds bin/hedgeward and becomes it: up.sh up|demo|down [flags].
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v go >/dev/null; then
	echo "Go is not on the PATH. Install Go $(sed -n 's/^go //p' go.mod) or newer and run make again." >&2
	exit 1
fi
go build -trimpath -o bin/hedgeward ./cmd/hedgeward
if [ "$1" != demo ] && [ "$(id -u)" -ne 0 ]; then
	echo "hedgeward $1 loads eBPF programs and makes network namespaces, which only root may do. It is built; run:" >&2
	echo "  sudo $PWD/bin/hedgeward $*" >&2
	exit 1
fi
exec bin/hedgeward "$@"
