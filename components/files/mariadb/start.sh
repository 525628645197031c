#!/bin/sh
# Starts MariaDB: makes the data folder on an empty volume, upgrades it when the server's version changed, loads
# the image's time zones when they changed, sets users and passwords from the Secret, and becomes the server.
# Existing data is never wiped.
# Needs: FWB_BUFFER_POOL_BYTES, FWB_MAX_CONNECTIONS, FWB_RESERVED_CONNECTIONS, FWB_BINLOG_SECONDS.
set -eu

config=/etc/filewallball
secrets=/secrets/mariadb-credentials
volume=/var/lib/mysql
data=$volume/data
fresh=$volume/data.new
version_file=$volume/server-version
zones_file=$volume/time-zones
zoneinfo=/usr/share/zoneinfo
run=/run/mysqld
alone=$run/alone.sock

say() { printf 'start: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
# As process 1 the shell ignores TERM unless it is told not to.
server=
trap '[ -z "$server" ] || stop_alone; exit 143' TERM INT
# shellcheck source=passwords.sh
. "$config/passwords.sh"
# shellcheck source=restoring.sh
. "$config/restoring.sh"

check_volume() {
    [ -w "$volume" ] || die "the volume at $volume can't be written by uid $(id -u); give the folder to it (chown 999:999)"
    if [ -d "$volume/mysql" ] && [ ! -d "$data" ]; then
        die "the volume holds a data folder of another layout; move all of its files into a folder named 'data' on it"
    fi
    if [ -d "$data" ] && [ ! -d "$data/mysql" ]; then
        die "$data lacks the system tables; restore a backup into an empty volume, or bring the folder back as it was"
    fi
    if [ ! -d "$data" ] && ls -d "$volume"/data-* >/dev/null 2>&1; then
        die "the volume has no folder 'data', but what a restore has kept of it ($(ls -d "$volume"/data-*)); rename the one that you want to 'data'"
    fi
}

server_version() { mariadbd --no-defaults --version | sed -n 's/.* Ver \([0-9][0-9.]*\).*/\1/p'; }

# The rename is what makes a start that was killed half-way harmless: only a finished folder gets the name.
initialise() {
    say "empty volume: making the data folder"
    rm -rf "$fresh"
    mariadb-install-db --no-defaults --datadir="$fresh" --skip-test-db --skip-name-resolve \
        --auth-root-authentication-method=socket --auth-root-socket-user=mysql >"$run/install.log" 2>&1 ||
        { cat "$run/install.log" >&2; die "mariadb-install-db failed"; }
    sync
    mv "$fresh" "$data"
    remember_version
}

remember_version() {
    server_version >"$version_file.new"
    mv "$version_file.new" "$version_file"
    sync
}

# Runs the server without network, grants and events, for what has to be done before it serves.
start_alone() {
    rm -f "$alone" # of a start that was cut short: it would be taken for this server's
    mariadbd --defaults-file="$config/my.cnf" --skip-networking --skip-grant-tables --skip-slave-start \
        --event-scheduler=DISABLED --socket="$alone" --pid-file="$run/alone.pid" &
    server=$!
    until [ -S "$alone" ] && mariadb --no-defaults --socket="$alone" -e 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || die "the server stopped before the $1"
        sleep 0.1
    done
}

stop_alone() {
    kill -TERM "$server"
    wait "$server" || true
    server=
}

upgrade() {
    say "data was last used by ${1:-an unknown version}, this is $(server_version): upgrading"
    start_alone "upgrade could run"
    mariadb-upgrade --no-defaults --socket="$alone" --tmpdir=/tmp >&2 || failed=yes
    stop_alone
    [ -z "${failed:-}" ] || die "mariadb-upgrade failed; the data is as it was, and the next start tries again"
    remember_version
}

# SQL with the image's time zones, for the server's own tables; fails if the image has none.
write_zones() {
    tool=$(command -v mariadb-tzinfo-to-sql || command -v mysql_tzinfo_to_sql) || return 1
    rm -rf "$run/zoneinfo"
    mkdir "$run/zoneinfo"
    for entry in "$zoneinfo"/*; do
        case ${entry##*/} in
            # The same zones again, the second time with leap seconds.
            posix | right | localtime | posixrules) ;;
            *) ln -s "$entry" "$run/zoneinfo/" ;;
        esac
    done
    # It warns of every file there that is no time zone.
    "$tool" "$run/zoneinfo" >"$run/zones.sql" 2>/dev/null && grep -q '^INSERT INTO time_zone_name ' "$run/zones.sql"
}

# Before the server serves, since it keeps a zone in memory from its first use on.
load_zones() {
    if ! write_zones; then
        say "this image has no time-zone data ($zoneinfo, mariadb-tzinfo-to-sql): named time zones stay as they are on the volume, or unknown; offsets such as +09:00 work"
        return 0
    fi
    found=$(sha256sum <"$run/zones.sql")
    [ "$(cat "$zones_file" 2>/dev/null)" != "$found" ] || return 0
    say "the image's time zones are not those of the volume: loading them"
    rm -f "$zones_file"
    start_alone "time zones could be loaded"
    if { echo "SET SESSION sql_log_bin = 0;"; cat "$run/zones.sql"; } | mariadb --no-defaults --socket="$alone" mysql >&2; then
        zones_loaded=yes
    fi
    stop_alone
    if [ -z "${zones_loaded:-}" ]; then
        say "loading the time zones failed, as the lines above say; named time zones may be unknown, and the next start tries again"
        return 0
    fi
    printf '%s\n' "$found" >"$zones_file.new"
    mv "$zones_file.new" "$zones_file"
}

refuse_downgrade() {
    newest=$(printf '%s\n%s\n' "$1" "$2" | sort -t. -k1,1n -k2,2n | tail -n 1)
    [ "${newest%.*}" = "${2%.*}" ] || die "the data was written by MariaDB $1 and this is the older $2; use that version again"
}

write_init_file() (
    umask 077
    moment=$(secret_files)
    # users.sql makes it again when it has run to its end; this folder outlives a restart of the container.
    rm -f "$run/users-set"
    {
        # What follows must not reach the binary log: passwords would stay in it for days.
        echo "SET SESSION sql_log_bin = 0;"
        set_passwords "$moment"
        cat "$config/users.sql"
    } >"$run/init.sql"
    # What the probes log in with.
    {
        # The socket's places are the applications': a probe comes in by the reserve.
        printf '[client]\nprotocol=tcp\nskip-ssl\nhost=127.0.0.1\nport=%s\n' "$(sed -n 's/^extra_port = //p' "$config/my.cnf")"
        echo "user=filewallball_monitor"
        echo "!include $run/probe-password.cnf"
    } >"$run/probe.cnf"
    write_probe_password "$moment"
)

# Too few open files would make the server lower max_connections without stopping. 1000: for tables and logs.
# shellcheck disable=SC3045 # every sh that is met knows -S, -H and -n
raise_open_files() {
    needed=$((FWB_MAX_CONNECTIONS + FWB_RESERVED_CONNECTIONS + 1000))
    soft=$(ulimit -S -n)
    [ "$soft" = unlimited ] || [ "$soft" -ge "$needed" ] || ulimit -S -n "$needed" 2>/dev/null || die \
        "filewallball:mariadb.maxConnections and filewallball:mariadb.reservedConnections need $needed open files, and the container may have $(ulimit -H -n). Write fewer connections, or raise the limit of the container runtime (LimitNOFILE)."
}

raise_open_files
take_restored
check_volume
version=$(server_version)
[ -d "$data" ] || initialise
last=$(cat "$version_file" 2>/dev/null || true)
if [ "$last" != "$version" ]; then
    [ -z "$last" ] || refuse_downgrade "$last" "$version"
    upgrade "$last"
fi
load_zones
rm -rf "$run/zones.sql" "$run/zoneinfo"
started_with=$(contents "$(secret_files)")
write_init_file
read -r pid _ </proc/self/stat
follow_secret "$pid" "$started_with" &
exec mariadbd --defaults-file="$config/my.cnf" --init-file="$run/init.sql" \
    --innodb-buffer-pool-size="$FWB_BUFFER_POOL_BYTES" --max-connections="$FWB_MAX_CONNECTIONS" \
    --extra-max-connections="$FWB_RESERVED_CONNECTIONS" \
    --binlog-expire-logs-seconds="$FWB_BINLOG_SECONDS"
