#!/bin/sh
# Starts an S3 server over folders of the volume: a folder is a bucket, so making the bucket is making the folder.
# The volume's file system must know extended attributes (ext4, xfs and most others do): metadata lies in them.
# Needs: FWB_BUCKET, FWB_REGION, and the files of its Secret. With FWB_FILES_BUCKET there is a second bucket, and a
# user whose bucket it is, who can't reach the first one.
set -eu

volume=/var/lib/store
secrets=/secrets/store-credentials
files_secrets=/secrets/store-files-credentials
users=/run/store
alone=http://127.0.0.1:7071

fail() {
	echo "start: $1" >&2
	exit 1
}

# The image has no cat. read fails where a line has no end, and has read it all the same.
# value FILE: sets $value
value() {
	[ -s "$1" ] || fail "$1 is missing or empty; correct the Secret of this name"
	value=
	IFS= read -r value <"$1" || :
}

# The file by which the server knows users beside its root.
write_user() {
	value "$files_secrets/access-key"
	files_access=$value
	value "$files_secrets/secret-key"
	umask 077
	printf '{"accessAccounts": {"%s": {"access": "%s", "secret": "%s", "role": "user"}}}\n' \
		"$files_access" "$files_access" "$value" >"$users/users.json"
}

serve() {
	exec versitygw --region "$FWB_REGION" --health /health --quiet "$@" posix "$volume/buckets"
}

# Whose a bucket is can't be said by making its folder: a server that nobody else reaches is told so.
give_files_bucket() {
	(serve --port "${alone#http://}" --iam-dir "$users") &
	server=$!
	tries=0
	until said=$(ADMIN_ACCESS_KEY=$ROOT_ACCESS_KEY_ID ADMIN_SECRET_KEY=$ROOT_SECRET_ACCESS_KEY ADMIN_REGION=$FWB_REGION \
		versitygw admin --endpoint-url "$alone" change-bucket-owner --bucket "$FWB_FILES_BUCKET" --owner "$files_access" 2>&1); do
		tries=$((tries + 1))
		if [ "$tries" -ge 100 ] || ! kill -0 "$server" 2>/dev/null; then
			fail "the bucket $FWB_FILES_BUCKET can't be given to its user: $said"
		fi
		sleep 0.1
	done
	kill "$server"
	wait "$server" || :
}

[ -w "$volume" ] || fail "the volume at $volume can't be written by uid $(id -u); chown it to 999:999"
# A folder of its own: the volume's root may hold lost+found, which is no bucket.
mkdir -p "$volume/buckets/$FWB_BUCKET"
value "$secrets/access-key"
ROOT_ACCESS_KEY_ID=$value
value "$secrets/secret-key"
ROOT_SECRET_ACCESS_KEY=$value
export ROOT_ACCESS_KEY_ID ROOT_SECRET_ACCESS_KEY
[ -n "${FWB_FILES_BUCKET:-}" ] || serve --port :7070
mkdir -p "$volume/buckets/$FWB_FILES_BUCKET"
write_user
give_files_bucket
serve --port :7070 --iam-dir "$users"
