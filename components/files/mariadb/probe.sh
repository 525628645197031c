#!/bin/sh
# Asks the server for an answer, as the monitor user, and wants the mark that users.sql leaves when it has run to
# its end: both together prove that all users, rights and passwords are in place.
# "Too many connections" (1040, 1203) is the answer of a server at work: it is alive, and ready. A restart doesn't mend
# users.sql, so `probe.sh alive` doesn't look at the mark.
answer=$(mariadb --defaults-file=/run/mysqld/probe.cnf --connect-timeout=5 --batch --skip-column-names -e 'SELECT 1' 2>&1)
case "$answer" in
    *"Too many connections"* | *"ERROR 1040"* | *"ERROR 1203"*) answer=1 ;;
esac
case "$1:$answer" in
    alive:1) exit 0 ;;
    # Errors 2000 and up are the client's own: nobody answers (yet).
    alive:* | *"ERROR 2"*) ;;
    *)
        if [ ! -e /run/mysqld/users-set ]; then
            echo "users.sql did not run to its end: some users or rights are missing. The line of the server's log that starts with 'ERROR:', just above 'ready for connections', says why; what made that statement fail has to be mended, then delete the pod"
            exit 1
        fi
        [ "$answer" != 1 ] || exit 0
        ;;
esac
echo "$answer" | head -n 1
exit 1
