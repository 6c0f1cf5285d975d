#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what tests and generators call and this machine lacks. Debian package
# names; a machine that has every command is left alone, whatever its system.
# Nothing here is needed to build or to run Hedgeward.
set -euo pipefail

# command        package     why
needs='
clang-14         clang-14    compiles the BPF objects; this version, because objects are compared byte for byte
llvm-strip-14    llvm-14     bpf2go removes DWARF with it; llvm-objdump shows what differs
protoc           protobuf-compiler generates the messages between hosts and servers
gcc              gcc         the race detector is linked with it
ip               iproute2    tests look at links, routes and namespaces from outside
nft              nftables    the benchmarks compare with it, and a test runs them in short
curl             curl        instances of whole-system tests ask for streams and metadata with it
iptables         iptables    likewise
ipset            ipset       likewise
aws              awscli      the unmodified client that whole-system tests drive
/usr/lib/cni/ptp containernetworking-plugins test/attach chains our CNI plugin behind the reference plugins
ansible-playbook ansible     the amazon.aws modules, which test/clients drives
'

missing=()
while read -r command package _; do
	[ -n "$command" ] || continue
	command -v "$command" >/dev/null || [ -x "/usr/sbin/$command" ] || missing+=("$package")
done <<<"$needs"
# Headers have no command: the BPF sources include <linux/bpf.h> and
# <bpf/bpf_helpers.h>, the race detector's runtime <stdlib.h>.
[ -e /usr/include/bpf/bpf_helpers.h ] || missing+=(libbpf-dev)
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
[ -e /usr/include/linux/bpf.h ] || missing+=(linux-libc-dev)
# boto3 has no command either. Ansible's modules run in the system's Python.
/usr/bin/python3 -c 'import boto3' 2>/dev/null || missing+=(python3-boto3)
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "tests need these Debian packages or their likes: ${missing[*]}" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "tests need packages this machine lacks. Run: sudo apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null </dev/null
