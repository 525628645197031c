#!/bin/sh
# Starts an S3 server over folders of the volume: a folder is a bucket, so making the bucket is making the folder.
# The volume's file system must know extended attributes (ext4, xfs and most others do): metadata lies in them.
# Needs: FWB_BUCKET, FWB_REGION, and the files of its Secret.
set -eu

volume=/var/lib/store
[ -w "$volume" ] || { echo "start: the volume at $volume can't be written by uid $(id -u); chown it to 999:999" >&2; exit 1; }
# A folder of its own: the volume's root may hold lost+found, which is no bucket.
mkdir -p "$volume/buckets/$FWB_BUCKET"
secrets=/secrets/store-credentials
for key in access-key secret-key; do
	[ -s "$secrets/$key" ] || { echo "start: $secrets/$key is missing or empty; correct the Secret store-credentials" >&2; exit 1; }
done
# The image has no cat. read fails where a line has no end, and has read it all the same.
IFS= read -r ROOT_ACCESS_KEY_ID <"$secrets/access-key" || :
IFS= read -r ROOT_SECRET_ACCESS_KEY <"$secrets/secret-key" || :
export ROOT_ACCESS_KEY_ID ROOT_SECRET_ACCESS_KEY
exec versitygw --port :7070 --region "$FWB_REGION" --health /health --quiet posix "$volume/buckets"
