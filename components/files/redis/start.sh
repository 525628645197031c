#!/bin/sh
# Writes the users' file from the Secret (passwords as hashes, into memory), then becomes the server.
# Needs: FWB_REDIS_DISPOSABLE=true where the checks may change the running configuration.
set -eu

config=/etc/filewallball
secrets=/secrets/redis-credentials
acl=/run/redis/users.acl

hash() {
    [ -s "$1" ] || { echo "start: $1 is missing or empty" >&2; exit 1; }
    printf %s "$(cat "$1")" | sha256sum | cut -d' ' -f1
}

umask 077
app=$(hash "$secrets/app-password")
checks=$(hash "$secrets/checks-password")
sed -e "s/\${app}/$app/" -e "s/\${checks}/$checks/" "$config/users.acl" >"$acl"
if [ "${FWB_REDIS_DISPOSABLE:-}" = true ]; then
    sed -i -e '/^user checks /s/$/ +config|set/' "$acl"
fi
exec redis-server "$config/redis.conf"
