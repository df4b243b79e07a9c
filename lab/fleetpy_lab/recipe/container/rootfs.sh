#!/bin/sh
# Builds the root file system of the lab's base image and packs it into a tar archive. Runs as root.
# usage: rootfs.sh WORKDIR ARCHIVE SUITE PACKAGE,PACKAGE,... [MIRROR]
set -eu
work=$1 archive=$2 suite=$3 packages=$4 mirror=${5-}

root=$(mktemp -d "$work/rootfs.XXXXXX")
chmod 755 "$root"
clean() {
    umount -l "$root/proc" "$root/sys" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

debootstrap --variant=minbase --include="$packages" "$suite" "$root" ${mirror:+"$mirror"}

# What each host gets for itself, and what no host needs.
rm -f "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id "$root"/etc/ssh/ssh_host_*
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
    "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/*
find "$root/usr/share/doc" -type f ! -name copyright -delete

echo "I: Packing the image"
tar -C "$root" --numeric-owner --one-file-system -cf "$archive" .
