#!/bin/sh
# The server's part of a restore: part of start.sh. The restore's Job works in the folder `restoring` beside the data,
# and keeps the file `alive` in it young. What it wants of the server stands in files there:
#   ask.sql  SQL for the administrator; what the client says comes back as `answer`, with its exit code as last line
#   ready    the folder `data` in there is whole: the server ends, and the next start takes that folder. The file
#            holds the name that the folder until now gets.
# Everything is decided here, by one process at a time. Whatever becomes of the Job, and wherever it or the server is
# killed: either the old data is served or the restored one, and nothing is written that would be lost.
# Needs: $config, $volume, $data and say of start.sh.
# shellcheck disable=SC2154 # they are start.sh's

restoring=$volume/restoring
gone=$volume/restoring.gone
helping=
leaving=

administrator() { mariadb --defaults-file="$config/my.cnf" --user=mysql --connect-timeout=5 --batch --skip-column-names "$@"; }

young() {
    touched=$(stat -c %Y "$restoring/alive" 2>/dev/null) &&
        [ $(($(date +%s) - touched)) -lt "${FWB_RESTORE_SECONDS:-60}" ]
}

# Out of the way at once: from then on nothing of it can take the place of the data.
drop_restoring() {
    rm -rf "$gone"
    [ ! -e "$restoring" ] || mv "$restoring" "$gone"
    rm -rf "$gone"
}

# Before the server starts. The two renames may be cut off between: then there is no data folder, and this goes on.
take_restored() {
    if [ -s "$restoring/ready" ] && [ -d "$restoring/data" ] && { [ ! -d "$data" ] || young; }; then
        kept=$(cat "$restoring/ready")
        [ ! -d "$data" ] || mv "$data" "$volume/$kept"
        mv "$restoring/data" "$data"
        sync
        say "the restored data has taken its place; the data until now is kept as $kept"
    elif [ -d "$restoring/data" ]; then
        say "a restore was at work when the server ended: it is called off, and the data stays as it is"
    fi
    drop_restoring
}

# Beside the server, every two seconds. help_restore PID
help_restore() {
    # This first: a folder that comes a moment later has `alive` in it from the beginning.
    if [ ! -e "$restoring" ]; then
        end_help
        return 0
    fi
    if ! young; then
        say "the restore's Job is gone: it is called off, and the data stays as it is"
        drop_restoring
        end_help
        return 0
    fi
    [ ! -s "$restoring/ask.sql" ] || answer
    if [ -s "$restoring/ready" ] && [ -z "$leaving" ]; then
        leaving=yes
        say "the restored data is ready: the server ends, and the next start takes it"
        kill -TERM "$1"
    fi
}

answer() {
    helping=yes
    mv "$restoring/ask.sql" "$restoring/asked.sql" || return 0
    code=0
    administrator <"$restoring/asked.sql" >"$restoring/answer.new" 2>&1 || code=$?
    echo "$code" >>"$restoring/answer.new"
    rm -f "$restoring/asked.sql" # it holds a password
    mv "$restoring/answer.new" "$restoring/answer"
}

end_help() {
    [ -n "$helping" ] || return 0
    administrator --execute "SET SESSION sql_log_bin = 0; SET GLOBAL read_only = 0; DROP USER IF EXISTS filewallball_restore" >&2 || return 0
    helping=
    say "writes are accepted again"
}
