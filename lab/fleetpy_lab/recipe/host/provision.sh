#!/bin/sh
# Makes a Debian 12 machine a host of a cluster. Runs as root, from the kit that it lies in (`make kit`); twice is no harm.
#
#   provision.sh OPTION...        all of it, and starts it
#   provision.sh STEP OPTION...   one step: keys, system, packages, dependencies, fleetpy, configure
#
#   --members=NAME=ADDRESS,...    the members of etcd
#   --address=ADDRESS             this host's own address; the member that has it is this host
#   --metadata=KEY=VALUE,...      what the host says of itself
#   --token=NAME                  the etcd cluster's name, where several could meet
#   --authorize=KEY               a public SSH key that may log in as core
set -eu
kit=$(cd "$(dirname "$0")" && pwd)
venv=/opt/fleetpy

# The key that the hosts' root and core log in to each other with, and the authority that signs every host's own key:
# hosts know each other without anybody having to say yes. They are made once for all hosts, and lie in the kit.
keys() {
    install -d -m 0700 "$kit/keys"
    for key in id_ed25519 authority; do
        [ -e "$kit/keys/$key" ] || ssh-keygen -q -t ed25519 -N '' -C "fleet-$key" -f "$kit/keys/$key"
    done
}

# Users, SSH, and what the host's services are to do differently from Debian's. Before the packages, so that their
# services start as they are to be: etcd not before it is configured.
system() {
    (cd "$kit/files" && find . -type f) | while read -r file; do
        install -D -m 0644 "$kit/files/$file" "/$file"
    done
    chmod 0440 /etc/sudoers.d/core
    mkdir -p /etc/fleet /var/log/journal

    # fleetctl's default user for SSH, who may do anything, as on the systems that the original came with.
    id core >/dev/null 2>&1 ||
        useradd --create-home --shell /bin/bash --groups sudo,adm,systemd-journal core
    for user in root core; do
        home=$(getent passwd "$user" | cut -d: -f6)
        install -d -m 0700 -o "$user" -g "$user" "$home/.ssh"
        install -m 0600 -o "$user" -g "$user" "$kit/keys/id_ed25519" "$kit/keys/id_ed25519.pub" "$home/.ssh/"
        authorize_for "$user" "$(cat "$kit/keys/id_ed25519.pub")"
    done
    install -m 0600 "$kit/keys/authority" /etc/ssh/fleet_authority
    append "@cert-authority * $(cat "$kit/keys/authority.pub")" /etc/ssh/ssh_known_hosts
    systemctl --quiet enable fleet-ssh-key.service
}

authorize_for() {
    file=$(getent passwd "$1" | cut -d: -f6)/.ssh/authorized_keys
    append "$2" "$file"
    chown "$1:$1" "$file"
    chmod 0600 "$file"
}

append() {
    grep -qsxF "$1" "$2" || echo "$1" >>"$2"
}

packages() {
    export DEBIAN_FRONTEND=noninteractive
    names=$(tr '\n' ' ' <"$kit/packages")
    # The package lists of a machine that was just made may be missing or old.
    # shellcheck disable=SC2086 # names are words
    apt-get install -qq --yes --no-install-recommends $names 2>/dev/null || {
        apt-get update -qq
        apt-get install -qq --yes --no-install-recommends $names
    }
}

dependencies() {
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-cache-dir --no-index --disable-pip-version-check --find-links="$kit/wheels" \
        --requirement="$kit/wheels/requirements.txt"
}

fleetpy() {
    "$venv/bin/pip" install --quiet --no-cache-dir --no-index --disable-pip-version-check --no-deps --force-reinstall \
        "$kit"/fleetpy/*.whl
    for program in fleetctl fleet-agent fleet-lease fleet-scheduler fleet-api; do
        ln -sf "$venv/bin/$program" "/usr/bin/$program"
    done
    install -m 0644 "$kit"/units/* /usr/lib/systemd/system/
    systemctl --quiet enable fleet.target
}

# Writes fleet.conf, and for a member of etcd its environment.
configure() {
    if [ -z "$members" ] || [ -z "$address" ]; then
        echo "provision.sh: --members and --address must be given" >&2
        exit 2
    fi
    name='' cluster='' servers="\"http://$address:2379\"" others=''
    for member in $(echo "$members" | tr ',' ' '); do
        cluster=$cluster${cluster:+,}${member%%=*}=http://${member#*=}:2380
        if [ "${member#*=}" = "$address" ]; then
            name=${member%%=*}
        else
            others="$others${others:+, }\"http://${member#*=}:2379\""
        fi
    done

    mkdir -p /etc/fleet
    # A host asks its own member first; one that is no member has none.
    [ -n "$name" ] || servers=''
    {
        echo "etcd_servers=[$servers${servers:+${others:+, }}$others]"
        echo "public_ip=\"$address\""
        [ -z "$metadata" ] || echo "metadata=\"$metadata\""
    } >/etc/fleet/fleet.conf

    rm -f /etc/fleet/etcd.env
    if [ -n "$name" ]; then
        # Clients are served at 2379 and, as etcd once had it, at 4001.
        cat >/etc/fleet/etcd.env <<-END
		ETCD_NAME=$name
		ETCD_LISTEN_PEER_URLS=http://0.0.0.0:2380
		ETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:2379,http://0.0.0.0:4001
		ETCD_ADVERTISE_CLIENT_URLS=http://$address:2379,http://$address:4001
		ETCD_INITIAL_ADVERTISE_PEER_URLS=http://$address:2380
		ETCD_INITIAL_CLUSTER=$cluster
		ETCD_INITIAL_CLUSTER_TOKEN=$token
		END
    fi
    [ -z "$authorize" ] || authorize_for core "$authorize"
}

# Without waiting: a member of etcd is up only when others are.
start() {
    systemctl daemon-reload
    systemctl start fleet-ssh-key.service
    systemctl reload-or-restart ssh.service
    systemctl --no-block restart etcd.service fleet.target
}

steps='system packages dependencies fleetpy configure start'
case ${1-} in
keys | system | packages | dependencies | fleetpy | configure)
    steps=$1
    shift
    ;;
esac
members='' address='' metadata='' token=fleet authorize=''
for option; do
    value=${option#*=}
    case $option in
    --members=*) members=$value ;;
    --address=*) address=$value ;;
    --metadata=*) metadata=$value ;;
    --token=*) token=$value ;;
    --authorize=*) authorize=$value ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
done
for step in $steps; do
    $step
done
