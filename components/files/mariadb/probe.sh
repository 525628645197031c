#!/bin/sh
# Asks the server for an answer, as the monitor user: that also proves that users and passwords are in place.
# `probe.sh alive` counts "too many connections" as life: a busy server must not be killed.
answer=$(mariadb --defaults-file=/run/mysqld/probe.cnf --connect-timeout=5 --batch --skip-column-names -e 'SELECT 1' 2>&1)
[ "$answer" = 1 ] && exit 0
case "$1:$answer" in
    alive:*"ERROR 1040"* | alive:*"ERROR 1203"*) exit 0 ;;
esac
echo "$answer" | head -n 1
exit 1
