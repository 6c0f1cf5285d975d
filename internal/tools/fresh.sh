#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fails if committed generated files are not what their sources generate.
#
# The working tree is copied, generated output is deleted in the copy, all
# generators run there, and the copy must then equal the tree byte for byte, BPF
# objects included. So nothing of the developer's is touched, an orphan that no
# generator writes any more is found, and an object that depends on the path it
# was built in is found too. Objects are reproducible because one compiler is
# prescribed (clang-14 as Debian 12 ships it) and bpf2go strips paths.
set -euo pipefail
cd "$(dirname "$0")/../.."

want=14.0.6
if ! have=$(clang-14 -dumpversion 2>/dev/null) || [ "$have" != "$want" ]; then
	echo "BPF objects are committed as clang-14 $want makes them; found '${have:-none}'. Run make setup on Debian 12." >&2
	exit 1
fi

copy=$(mktemp -d "${TMPDIR:-/tmp}/hedgeward-fresh.XXXXXX")
trap 'rm -rf "$copy"' EXIT
git ls-files -coz --exclude-standard | while IFS= read -r -d '' f; do
	if [ -e "$f" ]; then printf '%s\0' "$f"; fi
done | tar --null -T - -cf - | tar -xf - -C "$copy"

# Generated: Go files that say so, and the objects beside them.
cd "$copy"
generated=$(grep -rlE --include='*.go' '^// Code generated .* DO NOT EDIT\.$' . || true)
objects=$(find . -name '*.o' -not -path '*/testdata/*') # a layout that was is not made again
[ -z "$generated$objects" ] || printf '%s\n' $generated $objects | xargs -r rm -f
if ! go generate ./... >generate.log 2>&1; then
	cat generate.log >&2
	echo "go generate failed" >&2
	exit 1
fi
rm -f generate.log
cd - >/dev/null

stale=0
for f in $({ printf '%s\n' $generated $objects; cd "$copy" && find . -name '*.o' -o -name '*.go'; } | sort -u); do
	cmp -s "$f" "$copy/$f" && continue
	[ "$stale" = 1 ] || echo "not what the generators make (run make gen and commit):" >&2
	stale=1
	echo "  $f" >&2
	case $f in
	*.o) diff <(llvm-objdump-14 -d "$f" 2>&1 | tail -n +3) <(llvm-objdump-14 -d "$copy/$f" 2>&1 | tail -n +3) | head -20 >&2 || true ;;
	esac
done
[ "$stale" = 0 ] || exit 1
echo "fresh: $(printf '%s\n' $generated $objects | grep -c .) generated files are what their sources make"
