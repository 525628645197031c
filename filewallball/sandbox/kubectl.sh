#!/bin/sh
# kubectl for this sandbox, which is on this machine: no proxy of the shell leads to it.
unset ALL_PROXY HTTP_PROXY HTTPS_PROXY all_proxy http_proxy https_proxy
exec "$(dirname "$(readlink -f "$0")")/bin/kubectl" "$@"
