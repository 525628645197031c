#!/usr/bin/env bash
# Proves the caching policy of a stack's Redis: settings, TTLs, connections, memory, hit rate, latency. The stack is
# $STACK, or dev. Where it is disposable, --deep also fills the cache to see what is evicted first.
set -euo pipefail
cd "$(dirname "$0")/.."

names=(redis-config redis-commands redis-connections redis-memory redis-hit-rate redis-latency)
[ "${1:-}" != --deep ] || names+=(redis-eviction)
exec .venv/bin/fwb check "${STACK:-dev}" "${names[@]}" "$@"
