#!/bin/sh
# Keeps a Sentinel running, and starts it anew when its certificate has been renewed, which it can't load while it runs.
# Its state is on the volume, so it takes up where it was. The Sentinels take turns by the clock: each has a slot of
# its own, and goes only when all others answer.
# Needs, beside what sentinel-start.sh needs: POD_NAME, FWB_SENTINELS.
set -eu
config=/etc/filewallball
files=/tls/valkey-sentinel
slot=${FWB_TLS_SLOT:-10}
# shellcheck source=../valkey/common.sh
. "$config/common.sh"

# The kubelet swaps all files of the Secret at once, so this is never half of a change.
sum() { cat "$files/tls.crt" "$files/tls.key" "$files/ca.crt" | sha256sum; }

# In the first half of the slot: a restart takes less than the other half, even if clocks differ a little.
our_turn() {
    now=$(date +%s)
    [ $((now / slot % FWB_SENTINELS)) -eq "${POD_NAME##*-}" ] && [ $((now % slot * 2)) -lt "$slot" ]
}

# NOAUTH is as good an answer as PONG.
answers() {
    reply=$(timeout 4 valkey-cli --tls --cacert "$files/ca.crt" -h "$1" -p 26379 PING 2>&1) || return 1
    case "$reply" in PONG* | NOAUTH*) return 0 ;; esac
    return 1
}

all_others_answer() {
    for ordinal in $(seq 0 $((FWB_SENTINELS - 1))); do
        peer=valkey-sentinel-$ordinal
        [ "$peer" = "$POD_NAME" ] || answers "$(address "$peer")" || return 1
    done
}

begin() {
    loaded=$(sum)
    /bin/sh "$config/sentinel-start.sh" &
    sentinel=$!
}

end() {
    kill -TERM "$sentinel" 2>/dev/null || true
    wait "$sentinel" || true
}

# As process 1 the shell ignores TERM unless it is told not to.
trap 'end; exit 143' TERM INT
begin
while kill -0 "$sentinel" 2>/dev/null; do
    sleep 1 &
    wait $! || true
    found=$(sum) || continue
    if [ "$found" != "$loaded" ] && our_turn && all_others_answer; then
        echo "tls: the certificate has been renewed: restarting the Sentinel" >&2
        end
        begin
    fi
done
# It ended by itself: the container ends with it, as it would without this script.
wait "$sentinel"
