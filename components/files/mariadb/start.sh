#!/bin/sh
# Starts MariaDB: makes the data folder on an empty volume, upgrades it when the server's version changed, sets
# users and passwords from the Secret, and becomes the server. Existing data is never wiped.
# Needs: FWB_BUFFER_POOL_BYTES, FWB_MAX_CONNECTIONS, FWB_BINLOG_SECONDS.
set -eu

config=/etc/filewallball
secrets=/secrets/mariadb-credentials
volume=/var/lib/mysql
data=$volume/data
fresh=$volume/data.new
version_file=$volume/server-version
run=/run/mysqld

say() { printf 'start: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
# As process 1 the shell ignores TERM unless it is told not to.
trap 'exit 143' TERM INT

check_volume() {
    [ -w "$volume" ] || die "the volume at $volume can't be written by uid $(id -u); give the folder to it (chown 999:999)"
    if [ -d "$volume/mysql" ] && [ ! -d "$data" ]; then
        die "the volume holds a data folder of another layout; move all of its files into a folder named 'data' on it"
    fi
    if [ -d "$data" ] && [ ! -d "$data/mysql" ]; then
        die "$data lacks the system tables; restore a backup into an empty volume, or bring the folder back as it was"
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

# Runs the server without network and without grants, for the server's own upgrade tool alone.
upgrade() {
    say "data was last used by ${1:-an unknown version}, this is $(server_version): upgrading"
    mariadbd --defaults-file="$config/my.cnf" --skip-networking --skip-grant-tables --skip-slave-start \
        --socket="$run/upgrade.sock" --pid-file="$run/upgrade.pid" &
    server=$!
    until [ -S "$run/upgrade.sock" ] && mariadb --no-defaults --socket="$run/upgrade.sock" -e 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || die "the server stopped before the upgrade could run"
        sleep 0.2
    done
    mariadb-upgrade --no-defaults --socket="$run/upgrade.sock" --tmpdir=/tmp >&2 || failed=yes
    kill -TERM "$server"
    wait "$server" || true
    [ -z "${failed:-}" ] || die "mariadb-upgrade failed; the data is as it was, and the next start tries again"
    remember_version
}

refuse_downgrade() {
    newest=$(printf '%s\n%s\n' "$1" "$2" | sort -t. -k1,1n -k2,2n | tail -n 1)
    [ "${newest%.*}" = "${2%.*}" ] || die "the data was written by MariaDB $1 and this is the older $2; use that version again"
}

# SQL text of a file's content, as a literal.
quoted() {
    [ -s "$1" ] || die "$1 is missing or empty"
    printf "'%s'" "$(sed -e 's/\\/\\\\/g' -e "s/'/''/g" "$1")"
}

write_init_file() (
    umask 077
    # users.sql makes it again when it has run to its end; this folder outlives a restart of the container.
    rm -f "$run/users-set"
    {
        # What follows must not reach the binary log: passwords would stay in it for days.
        echo "SET SESSION sql_log_bin = 0;"
        for user in app backup monitor; do
            # printf, because some shells' echo reads backslashes.
            literal=$(quoted "$secrets/$user-password")
            printf 'SET @%s_password = %s;\n' "$user" "$literal"
        done
        cat "$config/users.sql"
    } >"$run/init.sql"
    # What the probes log in with.
    {
        echo "[client]"
        echo "socket=$run/mysqld.sock"
        echo "user=filewallball_monitor"
        printf 'password="%s"\n' "$(sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' "$secrets/monitor-password")"
    } >"$run/probe.cnf"
)

check_volume
version=$(server_version)
[ -d "$data" ] || initialise
last=$(cat "$version_file" 2>/dev/null || true)
if [ "$last" != "$version" ]; then
    [ -z "$last" ] || refuse_downgrade "$last" "$version"
    upgrade "$last"
fi
write_init_file
exec mariadbd --defaults-file="$config/my.cnf" --init-file="$run/init.sql" \
    --innodb-buffer-pool-size="$FWB_BUFFER_POOL_BYTES" --max-connections="$FWB_MAX_CONNECTIONS" \
    --binlog-expire-logs-seconds="$FWB_BINLOG_SECONDS"
