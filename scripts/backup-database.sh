#!/usr/bin/env bash
# Makes a backup of the database now: fwb backup now, on the stack $STACK (dev if it isn't set).
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/fwb backup now "${STACK:-dev}" "$@"
