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
#   --secure-etcd=USER:PASSWORD   etcd at port 4001 alone, with TLS and client certificates; what fleet says who it is
#   --authorize=KEY               a public SSH key that may log in as core
set -eu
kit=$(cd "$(dirname "$0")" && pwd)
venv=/opt/fleetpy

# The key that the hosts' root and core log in to each other with, and the authority that signs every host's own key:
# hosts know each other without anybody having to say yes. Another authority signs certificates for etcd. They are made
# once for all hosts, and lie in the kit.
keys() {
    install -d -m 0700 "$kit/keys"
    for key in id_ed25519 authority; do
        [ -e "$kit/keys/$key" ] || ssh-keygen -q -t ed25519 -N '' -C "fleet-$key" -f "$kit/keys/$key"
    done
    [ -e "$kit/keys/etcd.pem" ] ||
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=fleet-etcd \
            -keyout "$kit/keys/etcd.key" -out "$kit/keys/etcd.pem" 2>/dev/null
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
    install -D -m 0644 "$kit/keys/etcd.pem" /etc/fleet/etcd/ca.pem
    install -m 0600 "$kit/keys/etcd.key" /etc/fleet/etcd/ca.key
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
    scheme=http port=2379
    if [ -n "$secure" ]; then
        scheme=https port=4001
        # Etcd is its own client too, by the certificate of its member.
        certificate member "subjectAltName=IP:$address,IP:127.0.0.1" extendedKeyUsage=serverAuth,clientAuth
        certificate client extendedKeyUsage=clientAuth
        chgrp etcd /etc/fleet/etcd/member.key
        chmod 0640 /etc/fleet/etcd/member.key
    fi
    name='' cluster='' servers="\"$scheme://$address:$port\"" others=''
    for member in $(echo "$members" | tr ',' ' '); do
        cluster=$cluster${cluster:+,}${member%%=*}=$scheme://${member#*=}:2380
        if [ "${member#*=}" = "$address" ]; then
            name=${member%%=*}
        else
            others="$others${others:+, }\"$scheme://${member#*=}:$port\""
        fi
    done

    mkdir -p /etc/fleet
    # A host asks its own member first; one that is no member has none.
    [ -n "$name" ] || servers=''
    {
        echo "etcd_servers=[$servers${servers:+${others:+, }}$others]"
        [ -z "$secure" ] || cat <<-END
		etcd_cafile="/etc/fleet/etcd/ca.pem"
		etcd_certfile="/etc/fleet/etcd/client.pem"
		etcd_keyfile="/etc/fleet/etcd/client.key"
		etcd_username="${secure%%:*}"
		etcd_password="${secure#*:}"
		END
        echo "public_ip=\"$address\""
        [ -z "$metadata" ] || echo "metadata=\"$metadata\""
    } >/etc/fleet/fleet.conf

    rm -f /etc/fleet/etcd.env
    if [ -n "$name" ]; then
        # Clients are served at 2379 and, as etcd once had it, at 4001.
        listen=http://0.0.0.0:2379,http://0.0.0.0:4001 advertise=http://$address:2379,http://$address:4001
        [ -z "$secure" ] || listen=https://0.0.0.0:4001 advertise=https://$address:4001
        # Without a vote before the vote, a member that was cut off deposes the leader when it returns, for seconds.
        cat >/etc/fleet/etcd.env <<-END
		ETCD_NAME=$name
		ETCD_PRE_VOTE=true
		ETCD_LISTEN_PEER_URLS=$scheme://0.0.0.0:2380
		ETCD_LISTEN_CLIENT_URLS=$listen
		ETCD_ADVERTISE_CLIENT_URLS=$advertise
		ETCD_INITIAL_ADVERTISE_PEER_URLS=$scheme://$address:2380
		ETCD_INITIAL_CLUSTER=$cluster
		ETCD_INITIAL_CLUSTER_TOKEN=$token
		END
        [ -z "$secure" ] || for side in ETCD ETCD_PEER; do
            cat >>/etc/fleet/etcd.env <<-END
			${side}_CLIENT_CERT_AUTH=true
			${side}_TRUSTED_CA_FILE=/etc/fleet/etcd/ca.pem
			${side}_CERT_FILE=/etc/fleet/etcd/member.pem
			${side}_KEY_FILE=/etc/fleet/etcd/member.key
			END
        done
    fi
    [ -z "$authorize" ] || authorize_for core "$authorize"
}

# NAME EXTENSION...: /etc/fleet/etcd/NAME.pem and NAME.key, signed by the authority for etcd, unless they are there.
certificate() {
    file=/etc/fleet/etcd/$1
    [ ! -e "$file.pem" ] || return 0
    common=$1-$(hostname)
    shift
    printf '%s\n' basicConstraints=CA:FALSE "$@" >"$file.ext"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$common" -keyout "$file.key" \
        -out "$file.csr" 2>/dev/null
    openssl x509 -req -in "$file.csr" -CA /etc/fleet/etcd/ca.pem -CAkey /etc/fleet/etcd/ca.key -CAcreateserial -days 3650 \
        -extfile "$file.ext" -out "$file.pem" 2>/dev/null
    rm "$file.ext" "$file.csr"
    chmod 0600 "$file.key"
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
members='' address='' metadata='' token=fleet authorize='' secure=''
for option; do
    value=${option#*=}
    case $option in
    --members=*) members=$value ;;
    --address=*) address=$value ;;
    --metadata=*) metadata=$value ;;
    --token=*) token=$value ;;
    --authorize=*) authorize=$value ;;
    --secure-etcd=*) secure=$value ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
done
for step in $steps; do
    $step
done
