#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian packages: build.sh VERSION FOLDER. It needs Go and dpkg-deb and
# no root. The same sources make the same bytes.
set -euo pipefail
version=${1:?usage: build.sh VERSION FOLDER}
out=$(realpath -m "${2:?usage: build.sh VERSION FOLDER}")
cd "$(dirname "$0")/../.."
architecture=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# package PROGRAM SETTINGS DOCUMENTS...
package() {
	local name=$1 program=$2 settings=$3 root=$work/$1
	shift 3
	install -d "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/etc/hedgeward" "$root/usr/share/doc/$name" "$root/DEBIAN"
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$root/usr/bin/$program" "./cmd/$program"
	install -m 0644 "packaging/systemd/$name.service" "$root/usr/lib/systemd/system/"
	install -m 0640 "packaging/config/$settings" "$root/etc/hedgeward/"
	install -m 0644 LICENSE "$root/usr/share/doc/$name/copyright"
	install -m 0644 "$@" "$root/usr/share/doc/$name/"
	if [ "$name" = hedgeward-agent ]; then # what makers of devices on a host call
		install -d "$root/usr/lib/cni" "$root/usr/share/doc/$name/examples"
		CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$root/usr/lib/cni/hedgeward-cni" ./cmd/hedgeward-cni
		install -m 0644 packaging/config/hedgeward.conflist "$root/usr/share/doc/$name/examples/"
		install -D -m 0755 packaging/libvirt/qemu "$root/usr/share/$name/libvirt-qemu"
	fi
	echo "/etc/hedgeward/$settings" >"$root/DEBIAN/conffiles"
	sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" "packaging/deb/$name/control" >"$root/DEBIAN/control"
	for script in postinst prerm postrm; do
		[ ! -e "packaging/deb/$name/$script" ] || install -m 0755 "packaging/deb/$name/$script" "$root/DEBIAN/"
	done
	find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
	dpkg-deb --root-owner-group -Zxz --build "$root" "$out/${name}_${version}_$architecture.deb" >/dev/null
	echo "$out/${name}_${version}_$architecture.deb"
}

package hedgeward-server hedgeward server.env docs/server.md
package hedgeward-agent hedgeward-agent agent.env docs/hosts.md docs/attach.md docs/cni.md docs/libvirt.md
