#!/bin/sh
# Writes the users' file from the Secret (passwords as hashes, into memory), then becomes the server. The guard's
# password is made here at each start: it never leaves the pod.
# Needs: FWB_REDIS_DISPOSABLE=true where the checks may change the running configuration.
set -eu

config=/etc/filewallball
secrets=/secrets/redis-credentials
run=/run/redis
acl=$run/users.acl

fail() {
    echo "start: $1" >&2
    exit 1
}

hash() {
    [ -s "$1" ] || fail "$1 is missing or empty"
    printf %s "$(cat "$1")" | sha256sum | cut -d' ' -f1
}

# A user's password, and while passwords are being changed the other one that is accepted as well.
accepted() {
    value=$(hash "$secrets/$1-password")
    [ ! -s "$secrets/$1-password-other" ] || value="$value #$(hash "$secrets/$1-password-other")"
    echo "$value"
}

# Too few open files would make the server lower maxclients without stopping. 32: what it opens beside its clients.
# shellcheck disable=SC3045 # every sh that is met knows -S, -H and -n
raise_open_files() {
    needed=$(($(sed -n 's/^maxclients //p' "$config/redis.conf") + 32))
    soft=$(ulimit -S -n)
    [ "$soft" = unlimited ] || [ "$soft" -ge "$needed" ] || ulimit -S -n "$needed" 2>/dev/null || fail \
        "filewallball:redis.maxConnections and filewallball:redis.reservedConnections need $needed open files, and the container may have $(ulimit -H -n). Write fewer connections, or raise the limit of the container runtime (LimitNOFILE)."
}

raise_open_files

umask 077
head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$run/guard-password.new"
guard=$(hash "$run/guard-password.new")
mv "$run/guard-password.new" "$run/guard-password"
# The files of one moment: the kubelet replaces all of them at once.
[ ! -d "$secrets/..data" ] || secrets=$(readlink -f "$secrets/..data")
app=$(accepted app)
checks=$(accepted checks)
sed -e "s/\${app}/$app/" -e "s/\${checks}/$checks/" -e "s/\${guard}/$guard/" "$config/users.acl" >"$acl"
if [ "${FWB_REDIS_DISPOSABLE:-}" = true ]; then
    sed -i -e '/^user checks /s/$/ +config|set/' "$acl"
fi
sed -n 's/^bind //p' "$config/redis.conf" >"$run/bind"
# Closed but for the socket. The guard opens the port when it has its connection: where all applications come back at
# once, it would find no place.
exec redis-server "$config/redis.conf" --bind ''
