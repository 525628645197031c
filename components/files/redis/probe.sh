#!/bin/sh
# `probe.sh alive` asks the server over its socket, `probe.sh ready` over the port, which the guard opens. An unknown user
# is refused at once by a server that is alive, so this needs no password: NOAUTH is as good an answer as PONG, and
# LOADING isn't. A full server takes the connection, says so and closes it, maybe before the question is sent: it is
# alive, and serves those that it has.
trap '' PIPE
case "$1" in
    ready) answer=$(timeout 3 redis-cli -h 127.0.0.1 -p 6379 PING 2>&1) ;;
    *) answer=$(timeout 3 redis-cli -s /run/redis/redis.sock PING 2>&1) ;;
esac
case "$answer" in
    PONG* | NOAUTH*) exit 0 ;;
    *"max number of clients"* | *"Broken pipe"* | *"reset by peer"* | *"closed the connection"*) exit 0 ;;
esac
echo "$answer"
exit 1
