#!/bin/sh
# Starts an S3 server over folders of the volume: a folder is a bucket, so making the bucket is making the folder.
# The volume's file system must know extended attributes (ext4, xfs and most others do): metadata lies in them.
# Needs: ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, FWB_BUCKET, FWB_REGION.
set -eu

volume=/var/lib/store
[ -w "$volume" ] || { echo "start: the volume at $volume can't be written by uid $(id -u); chown it to 999:999" >&2; exit 1; }
# A folder of its own: the volume's root may hold lost+found, which is no bucket.
mkdir -p "$volume/buckets/$FWB_BUCKET"
exec versitygw --port :7070 --region "$FWB_REGION" --health /health --quiet posix "$volume/buckets"
