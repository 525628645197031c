#!/bin/sh
# Functions of the start scripts. Addresses are those of the pods' own Services, which every container finds in
# its environment: they outlive pods, and no name has to be resolved.

secrets=/secrets/valkey-credentials

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

# address valkey-sentinel-3: the value of VALKEY_SENTINEL_3_SERVICE_HOST
address() {
    variable=$(printf %s "$1" | tr 'a-z-' 'A-Z_')_SERVICE_HOST
    printenv "$variable" || fail "$variable isn't set: the Service $1 is missing, or younger than this container"
}

# users FILE KEY…: the file with each ${key} replaced by the hash of the Secret's KEY-password
users() {
    file=$1
    shift
    script=
    for key in "$@"; do
        # Assigned first: a failure inside the argument would go unnoticed.
        value=$(hash "$key-password")
        script="$script;s/\${$key}/$value/"
    done
    sed -e "${script#;}" "$file"
}
