#!/bin/sh
# The users' passwords, from the Secret's files: part of start.sh. USER-password is what clients log in with. While
# passwords are being changed there is USER-password-other, too: the server accepts both.
# Needs: $config, $secrets, $run, say, die and help_restore, of start.sh.
# shellcheck disable=SC2154 # they are start.sh's

users="app backup monitor"

# The folder with the Secret's files of this moment: the kubelet replaces all of them at once.
secret_files() {
    [ ! -d "$secrets/..data" ] || { readlink -f "$secrets/..data"; return; }
    echo "$secrets"
}

# SQL text of a file's content, as a literal.
quoted() {
    [ -s "$1" ] || die "$1 is missing or empty"
    printf "'%s'" "$(sed -e 's/\\/\\\\/g' -e "s/'/''/g" "$1")"
}

# set_passwords FOLDER: the variables that users.sql and the follower below read
set_passwords() {
    for user in $users; do
        # printf, because some shells' echo reads backslashes. Assigned first: a failure would go unnoticed inside.
        password=$(quoted "$1/$user-password") || return 1
        printf 'SET @%s_password = %s;\n' "$user" "$password"
        [ -s "$1/$user-password-other" ] || continue
        other=$(quoted "$1/$user-password-other") || return 1
        printf 'SET @%s_other = %s;\n' "$user" "$other"
    done
}

# write_probe_password FOLDER: what the probes log in with
write_probe_password() {
    printf '[client]\npassword="%s"\n' "$(sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' "$1/monitor-password")" \
        >"$run/probe-password.new"
    mv "$run/probe-password.new" "$run/probe-password.cnf"
}

# Runs beside the server as long as that lives: users get the passwords of the Secret, when it changes, and a restore
# gets help.
# follow_secret PID CONTENTS: the process that becomes the server, and the files' contents when it was started
follow_secret() {
    umask 077
    seen=$2
    while sleep 2 && read -r _ _ _ parent _ </proc/self/stat && [ "$parent" = "$1" ]; do
        help_restore "$1" || true
        moment=$(secret_files)
        now=$(contents "$moment")
        [ "$now" != "$seen" ] || continue
        change_passwords "$moment" || continue
        seen=$now
        say "users have the passwords of the Secret, which has changed"
    done
}

contents() {
    for user in $users; do
        cat "$1/$user-password" 2>/dev/null || true
        echo /
        cat "$1/$user-password-other" 2>/dev/null || true
        echo /
    done | sha256sum
}

# Fails for files that were replaced while they were read. The probe's password first: the one that it has had until
# now may be refused from then on.
change_passwords() {
    sql=$(set_passwords "$1") && [ "$(contents "$1")" = "$now" ] && write_probe_password "$1" || return 1
    # As in users.sql: nothing of it may reach the binary log.
    {
        echo "SET SESSION sql_log_bin = 0;"
        printf '%s\n' "$sql"
        grep '^EXECUTE IMMEDIATE .*_other' "$config/users.sql"
    } | mariadb --defaults-file="$config/my.cnf" --user=mysql >&2
}
