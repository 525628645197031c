#!/bin/sh
# Writes users and addresses into memory, then becomes the server, closed and a replica of nothing. Its agent
# (filewallball/valkey) opens it in the place that the Sentinels agree on.
# Needs: POD_NAME, and the addresses of the pods' Services.
set -eu
config=/etc/filewallball
run=/run/valkey
data=/data
# shellcheck source=common.sh
. "$config/common.sh"

# Loads what was written last: an AOF, or a snapshot where the settings have just switched the AOF on or off. The
# server would start empty if told to read an AOF that isn't there; the agent switches to what is declared later.
# A running AOF is written each second, so one that is a minute older than the snapshot was left behind; where the AOF
# is declared off, any that is older than the snapshot was. Files named temp-… belong to an AOF that never came to be.
declared=$(sed -n 's/^appendonly //p' "$config/valkey.conf")
slack=0
[ "$declared" = no ] || slack=60
append_only() {
    aof=$(find "$data/appendonlydir" -type f ! -name 'temp-*' -exec stat -c %Y {} + 2>/dev/null | sort -n | tail -n 1)
    rdb=$(stat -c %Y "$data/dump.rdb" 2>/dev/null || true)
    if [ -z "$rdb" ] && [ -z "$aof" ]; then
        echo "$declared"
    elif [ -n "$aof" ] && [ "$aof" -ge $((${rdb:-0} - slack)) ]; then
        echo yes
    else
        echo no
    fi
}

raise_open_files "$config/valkey.conf"
umask 007
own=$(address "$POD_NAME")
password=$(secret replica-password)
users "$config/users.acl" app checks backup replica watch agent >"$run/users.acl"
rm -f "$run/released"
echo "$declared" >"$run/appendonly"
cat >"$run/valkey.conf" <<EOF
include $config/valkey.conf
masterauth $password
replica-announce-ip $own
appendonly $(append_only)
EOF
exec valkey-server "$run/valkey.conf"
