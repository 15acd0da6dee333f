#!/bin/sh
# Installs what the lab needs on Debian and Ubuntu. Does nothing when everything is there.
set -eu
needed="systemd-nspawn:systemd-container debootstrap:debootstrap ssh:openssh-client ip:iproute2 nsenter:util-linux mount:mount"
packages=""
for pair in $needed; do
    command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
done
[ -n "$packages" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "tests/lab/setup.sh: run it as root to install:$packages" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null || true
# shellcheck disable=SC2086
apt-get install -y -q --no-install-recommends $packages >/dev/null
