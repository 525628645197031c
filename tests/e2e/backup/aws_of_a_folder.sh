#!/bin/sh
# As much of the AWS CLI as the page needs: s3 cp from the bucket's folder to a file, or to standard output.
[ "$1 $2" = "s3 cp" ] || exit 2
[ "$4" = - ] && exec cat "$BUCKETS/${3#s3://}"
exec cp "$BUCKETS/${3#s3://}" "$4"
