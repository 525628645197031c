#!/bin/sh
# Keeps the server up until the agent, which is told to stop at the same moment, has handed the primary's place
# over. An agent that is dead must not hold the pod for ever.
tries=0
until [ -e /run/valkey/released ] || [ "$tries" -ge 150 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
