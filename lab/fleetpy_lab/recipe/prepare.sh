#!/bin/sh
# Makes the base image a host: runs once, in the image's build.
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
systemctl --quiet enable fleet-lab-ssh-key.service

# Each host gets an /etc/default/etcd of its own, if it is a member (etcd.service.d/lab.conf).
rm -f /etc/default/etcd
mkdir -p /etc/fleet /var/log/journal

# fleetctl's default user for SSH, who may do anything, as on the systems that the original came with.
useradd --create-home --shell /bin/bash --groups sudo,adm,systemd-journal core
chmod 0440 /etc/sudoers.d/core

# One key for root and core on every host, and one authority that every host's own key is signed by: hosts know each
# other without anybody having to say yes. The keys are made here, in the image's build, and are this machine's alone.
install -d -m 0700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -C fleet-lab -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
cp -r /root/.ssh /home/core/.ssh
chown -R core:core /home/core/.ssh
ssh-keygen -q -t ed25519 -N '' -C fleet-lab-authority -f /etc/ssh/fleet_lab_authority
echo "@cert-authority * $(cat /etc/ssh/fleet_lab_authority.pub)" >/etc/ssh/ssh_known_hosts
