"""What is at work keeps a restore from its start, and what has just ended doesn't."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from facts import backup
from filewallball.errors import UserError
from filewallball.recovery import remote

OWNED = {"name": "filewallball-backup-run-1", "uid": "u", "ownerReferences": [{"name": backup.CRON_JOB}]}
ENDED = {"conditions": [{"type": "Complete", "status": "True"}]}


def place(status: dict[str, Any], state: dict[str, Any]) -> Any:
    job = {"metadata": OWNED, "status": status}
    pod = {"status": {"containerStatuses": [{"name": backup.CONTAINER, "state": state}]}}
    found = {"Job": [job], "Pod": [pod]}
    return cast(
        "Any", SimpleNamespace(kube=SimpleNamespace(list=lambda _, kind, *__: found[kind]), namespace="n")
    )


@pytest.mark.parametrize(("status", "state", "idle"), [
    ({}, {"running": {}}, False),
    ({}, {"terminated": {"exitCode": 1}}, False),  # it may be tried again
    ({}, {"terminated": {"exitCode": 0}}, True),
    (ENDED, {"terminated": {"exitCode": 1}}, True),
])  # fmt: skip
def test_a_job_is_at_work_until_its_container_has_ended(
    status: dict[str, Any], state: dict[str, Any], idle: bool
) -> None:
    if idle:
        remote.check_idle(place(status, state))
        return
    with pytest.raises(UserError, match="A backup is at work: Job filewallball-backup-run-1"):
        remote.check_idle(place(status, state))
