#!/bin/sh
# Runs nginx, and ends it without losing a request, whatever asks for the end: it serves on until the cluster sends
# nothing more to this pod, then takes no new connection, and finishes what it has.
# Needs: FWB_DRAIN_SECONDS, how long it serves on. FWB_CONFIG, FWB_RUN and FWB_TMP may name other folders.
set -eu

config=${FWB_CONFIG:-/etc/filewallball}
run=${FWB_RUN:-/run/balancer}
stopping=

mkdir -p "${FWB_TMP:-/tmp/nginx}"
# A new one at each start: what runs beside nginx forgets then what it knew of the servers, as nginx does.
cat /proc/sys/kernel/random/uuid >"$run/started"

# shellcheck disable=SC2317 # the trap calls it
stop() {
    [ -z "$stopping" ] || return 0
    stopping=yes
    sleep "$FWB_DRAIN_SECONDS" &
    wait $! || true
    kill -QUIT "$nginx" 2>/dev/null || true
}

trap stop TERM QUIT INT
nginx -e stderr -c "$config/nginx.conf" &
nginx=$!
code=0
# A signal ends `wait`, not nginx.
while kill -0 "$nginx" 2>/dev/null; do
    code=0
    wait "$nginx" || code=$?
done
[ -z "$stopping" ] || code=0
exit "$code"
