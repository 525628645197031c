"""`python3 -m filewallball.drill.load`: the load's pod. Token and port come by environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from facts.pods import password_key, secret_folder
from facts.tls import CA_FILE
from facts.valkey import CREDENTIALS
from filewallball.drill.load.clients import Sessions
from filewallball.drill.load.recording import Plan
from filewallball.drill.load.round import Connect, Passwords, Round
from filewallball.drill.load.server import Load, run
from filewallball.storage import sessions

SECRETS = Path(secret_folder(CREDENTIALS))
SWITCH_SECONDS = 0.001
"""Threads take turns this often, so that a busy thread doesn't make the others look slow."""


def connect(plan: Plan, passwords: Passwords) -> Sessions:
    """The client that applications are told to use."""
    return sessions.connect(
        list(plan.sentinels.values()),
        password=passwords.app,
        sentinel_password=passwords.sentinel,
        master=plan.master,
        ca_file=authority(),
    )


def authority() -> str | None:
    """The authority of a stack with encrypted connections: only there the pod has the file."""
    return CA_FILE if Path(CA_FILE).exists() else None


def load(passwords: Passwords, connect: Connect, ca_file: str | None = None) -> Load[Round]:
    """Rounds with this client. A member may be asked to write its RDB file."""

    def make(body: dict[str, Any]) -> Round:
        return Round(Plan.from_json(body), passwords, connect, ca_file)

    return Load(make, {"save": lambda one, body: {"saved": one.save(str(body.get("member")))}})


def main() -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    read = {
        name: (SECRETS / password_key(name)).read_text(encoding="utf-8").strip() for name in Passwords._fields
    }
    run(load(Passwords(**read), connect, authority()))


if __name__ == "__main__":
    main()
