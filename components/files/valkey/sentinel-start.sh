#!/bin/sh
# Writes the Sentinel's whole configuration, then becomes it. Members and peers are known from the start, with the
# addresses of today, so nothing has to be discovered while a primary is down, and no stale address is kept. From the
# last run come the primary (by name) and the epochs, in which votes were given.
# Needs: POD_NAME, FWB_MEMBERS, FWB_SENTINELS, FWB_QUORUM, FWB_MASTER_NAME, FWB_DOWN_AFTER_MS, FWB_FAILOVER_TIMEOUT_MS.
set -eu
config=/etc/filewallball
run=/run/valkey
data=/data
# shellcheck source=common.sh
. "$config/common.sh"
state=$data/sentinel.conf

# kept 'config-epoch NAME': what the last run wrote behind these words
kept() {
    sed -n "s/^sentinel $1 //p" "$state" 2>/dev/null | tail -n 1 | tr -d '"'
}

# The id is a function of the name: peers know each other without having met.
id() {
    printf %s "$1" | sha1sum | cut -d' ' -f1
}

ordinals() {
    seq 0 $(($1 - 1))
}

# The name of the primary that the last run knew; empty if it is no member any more.
last_primary() {
    last=$(kept "monitor $FWB_MASTER_NAME" | cut -d' ' -f1)
    [ -n "$last" ] || return 0
    name=$(sed -n "s/^\(valkey-[0-9]*\) $last\$/\1/p" "$data/addresses" 2>/dev/null | head -n 1)
    [ -n "$name" ] && [ "${name#valkey-}" -lt "$FWB_MEMBERS" ] && printf %s "$name"
    return 0
}

raise_open_files "$config/sentinel.conf"
umask 077
master=$FWB_MASTER_NAME
primary=$(last_primary)
epoch=$(kept "config-epoch $master")
# Without a primary that it can vouch for, whatever the others say is newer.
[ -n "$primary" ] || epoch=0
primary=${primary:-valkey-0}

addresses=
known=
for ordinal in $(ordinals "$FWB_MEMBERS"); do
    address=$(address "valkey-$ordinal")
    addresses="$addresses
valkey-$ordinal $address"
    [ "valkey-$ordinal" = "$primary" ] || known="$known
sentinel known-replica $master $address 6379"
done
for ordinal in $(ordinals "$FWB_SENTINELS"); do
    peer=valkey-sentinel-$ordinal
    address=$(address "$peer")
    [ "$peer" = "$POD_NAME" ] || known="$known
sentinel known-sentinel $master $address 26379 $(id "$peer")"
done

users "$config/sentinel-users.acl" sentinel checks peer >"$run/users.acl"
own=$(address "$POD_NAME")
first=$(address "$primary")
watch=$(secret watch-password)
peers=$(secret peer-password)
cat >"$state.new" <<EOF
$(cat "$config/sentinel.conf")
sentinel myid $(id "$POD_NAME")
sentinel announce-ip $own
sentinel sentinel-pass $peers
sentinel monitor $master $first 6379 $FWB_QUORUM
sentinel down-after-milliseconds $master $FWB_DOWN_AFTER_MS
sentinel failover-timeout $master $FWB_FAILOVER_TIMEOUT_MS
sentinel parallel-syncs $master $FWB_MEMBERS
sentinel auth-user $master watch
sentinel auth-pass $master $watch
sentinel config-epoch $master ${epoch:-0}
sentinel leader-epoch $master $(kept "leader-epoch $master" | grep . || echo 0)
sentinel current-epoch $(kept current-epoch | grep . || echo 0)$known
EOF
printf '%s\n' "$addresses" >"$data/addresses.new"
mv "$state.new" "$state"
mv "$data/addresses.new" "$data/addresses"
exec valkey-sentinel "$state"
