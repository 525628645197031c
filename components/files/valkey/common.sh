#!/bin/sh
# Functions of the start scripts. Addresses are those of the pods' own Services, which every container finds in
# its environment: they outlive pods, and no name has to be resolved.

secrets=/secrets/valkey-credentials
# The files of one moment: the kubelet replaces all of them at once.
[ ! -d "$secrets/..data" ] || secrets=$(readlink -f "$secrets/..data")

fail() {
    echo "start: $1" >&2
    exit 1
}

secret() {
    [ -s "$secrets/$1" ] || fail "$secrets/$1 is missing or empty"
    cat "$secrets/$1"
}

hash() {
    secret "$1" | sha256sum | cut -d' ' -f1
}

# Too few open files would make the server lower maxclients without stopping. 32: what it opens beside its clients.
# raise_open_files FILE: as many as the file's maxclients need
# shellcheck disable=SC3045 # every sh that is met knows -S, -H and -n
raise_open_files() {
    needed=$(($(sed -n 's/^maxclients //p' "$1") + 32))
    soft=$(ulimit -S -n)
    [ "$soft" = unlimited ] || [ "$soft" -ge "$needed" ] || ulimit -S -n "$needed" 2>/dev/null || fail \
        "filewallball:valkey.maxConnections and filewallball:valkey.reservedConnections need $needed open files, and the container may have $(ulimit -H -n). Write fewer connections, or raise the limit of the container runtime (LimitNOFILE)."
}

# address valkey-sentinel-3: the value of VALKEY_SENTINEL_3_SERVICE_HOST
address() {
    variable=$(printf %s "$1" | tr 'a-z-' 'A-Z_')_SERVICE_HOST
    printenv "$variable" || fail "$variable isn't set: the Service $1 is missing, or younger than this container"
}

# users FILE KEY…: the file with each ${key} replaced by the hash of the Secret's KEY-password; while passwords are
# being changed by those of both that are accepted
users() {
    file=$1
    shift
    script=
    for key in "$@"; do
        # Assigned first: a failure inside the argument would go unnoticed.
        value=$(hash "$key-password")
        [ ! -s "$secrets/$key-password-other" ] || value="$value #$(hash "$key-password-other")"
        script="$script;s/\${$key}/$value/"
    done
    sed -e "${script#;}" "$file"
}
