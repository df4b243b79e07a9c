#!/bin/sh
# Makes a host's image fit for a container: runs once, in the image's build.
set -eu

# What makes no sense in a container, or only costs time at boot.
systemctl --quiet mask \
    systemd-logind.service systemd-udevd.service systemd-binfmt.service systemd-pstore.service \
    systemd-modules-load.service systemd-firstboot.service systemd-machine-id-commit.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service e2scrub_reap.service getty.target \
    kmod-static-nodes.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount \
    sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
systemctl --quiet set-default multi-user.target
