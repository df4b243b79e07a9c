#!/bin/sh
# Installs engines for containers, and something to run in them: once, in the image's build.
set -eu
engines=$(cd "$(dirname "$0")" && pwd)
export DEBIAN_FRONTEND=noninteractive

apt-get update -qq
# shellcheck disable=SC2046 # names are words
apt-get install -qq --yes --no-install-recommends $(cat "$engines/packages")
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    /usr/share/man/* /usr/share/info/* /usr/share/locale/*
find /usr/share/doc -type f ! -name copyright -delete

# No image can be pulled where there is no registry, so hosts bring one: busybox alone, in a directory as systemd-nspawn
# takes it.
root=/var/lib/machines/busybox
for directory in bin dev etc proc root run sys tmp usr; do
    install -d "$root/$directory"
done
cp /bin/busybox "$root/bin/"
chroot "$root" /bin/busybox --install -s /bin
echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"

install -m 0644 "$engines/fleet-engines.service" /etc/systemd/system/
systemctl --quiet enable fleet-engines.service
