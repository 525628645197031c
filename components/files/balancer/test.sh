#!/bin/sh
# Has nginx read its configuration: one that it refuses must not reach the pods that serve. A certificate is read here
# too. In the pods nginx reads it at each handshake, so that it would start with a broken one.
set -eu

config=${FWB_CONFIG:-/etc/filewallball}
scratch=${FWB_TMP:-/tmp/nginx}
mkdir -p "$scratch/config"
# shellcheck disable=SC2016 # a variable of nginx, not of this shell
for file in "$config"/*.conf; do
    sed -e "s|$config/|$scratch/config/|g" -e 's/\$certificate\./tls./g' "$file" >"$scratch/config/${file##*/}"
done
exec nginx -e stderr -t -c "$scratch/config/nginx.conf"
