#!/bin/sh
# Starts MariaDB by start.sh, and beside it what loads a renewed certificate: connections that exist go on with the
# old one, new ones get the new one.
set -eu
config=/etc/filewallball
files=/tls/mariadb

# The kubelet swaps all files of the Secret at once, so this is never half of a change.
sum() { cat "$files/tls.crt" "$files/tls.key" "$files/ca.crt" | sha256sum; }

# Over the socket, where administrators have a place of their own when all others are taken.
load() { mariadb --defaults-file="$config/my.cnf" --user=mysql --connect-timeout=5 -e 'FLUSH LOCAL SSL' >&2; }

watch() {
    loaded=$1
    while sleep "${FWB_TLS_SECONDS:-10}"; do
        found=$(sum) || continue
        [ "$found" != "$loaded" ] || continue
        # While the server starts it reads the files itself, but maybe a moment before they changed.
        load || continue
        loaded=$found
        echo "tls: the server has loaded a renewed certificate" >&2
    done
}

first=$(sum)
watch "$first" &
exec /bin/sh "$config/start.sh"
