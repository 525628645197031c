#!/bin/sh
# Becomes the server beside the job, in the room that both share. It is ended with the pod.
set -eu
mkdir -p /work/throwaway
chmod 700 /work/throwaway
rm -f /work/throwaway/server.sock
exec valkey-server /etc/filewallball/throwaway.conf
