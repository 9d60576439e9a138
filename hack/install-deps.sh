#!/bin/sh
# Copyright The Workspace Operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Installs what tier node of the local cluster takes from the distribution. Tier api needs nothing of it.
set -eu

packages=""
need() { # need PROGRAM PACKAGE
	command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}
# Administrators' programs are not on everybody's PATH.
PATH="$PATH:/usr/sbin:/sbin"
need runc runc
need nft nftables
need iptables iptables
need conntrack conntrack
need ip iproute2
# The model server's image gets it as shell; it must be the static one.
[ -x /bin/busybox ] && [ -e /usr/share/doc/busybox-static ] || packages="$packages busybox-static"
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || packages="$packages containernetworking-plugins"

if [ -z "$packages" ]; then
	echo "install-deps: nothing is missing"
	exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "install-deps: missing:$packages" >&2
	echo "install-deps: install them as root (Debian, Ubuntu: apt-get install$packages)," >&2
	echo "install-deps: or use what needs none of them: bin/cluster up --tier api" >&2
	exit 1
fi
echo "install-deps: installing$packages"
# A package list that is a day old names files that are gone.
apt-get update -qq
# shellcheck disable=SC2086 # several packages are several words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
