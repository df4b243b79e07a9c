#!/bin/sh
# A host's first process: makes its cgroup trees writable, which Docker mounts read-only, makes it a machine of its own at
# its first start, with the container's arguments (provision.sh has them), and becomes systemd.
set -eu
grep -E ' cgroup2? ' /proc/mounts | while read -r _ tree _; do
    mount -o remount,bind,rw "$tree"
done
[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
[ -e /etc/fleet/fleet.conf ] || sh /usr/lib/fleet-kit/provision.sh configure "$@"
exec /sbin/init
