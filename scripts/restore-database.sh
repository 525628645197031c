#!/usr/bin/env bash
# Restores the database: fwb restore, on the stack $STACK (dev if it isn't set). `restore-database.sh --list` shows the
# backups, `restore-database.sh -f NAME` restores one.
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/fwb restore "${STACK:-dev}" "$@"
