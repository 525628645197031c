#!/bin/sh
# Starts an S3 server over folders of the volume: a folder is a bucket, so making the bucket is making the folder.
# Metadata lies beside the objects in files of its own, so that the volume needs no extended attributes.
# Needs: ROOT_ACCESS_KEY, ROOT_SECRET_KEY, FWB_BUCKET, FWB_REGION.
set -eu

volume=/var/lib/store
[ -w "$volume" ] || { echo "start: the volume at $volume can't be written by uid $(id -u); chown it to 999:999" >&2; exit 1; }
mkdir -p "$volume/buckets/$FWB_BUCKET" "$volume/metadata"
exec versitygw --port :7070 --region "$FWB_REGION" --health /health --quiet posix --sidecar "$volume/metadata" "$volume/buckets"
