"""A command that has ended leaves nothing that the next one would have to wait for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from filewallball.recovery import remote

RUNS: dict[str, Any] = {"status": {}}
ENDED: dict[str, Any] = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}


@pytest.mark.parametrize("answers", [[ENDED], [RUNS, RUNS, ENDED], [RUNS, None]])
def test_the_cluster_is_asked_until_the_job_has_ended(
    answers: list[dict[str, Any] | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "POLL_SECONDS", 0)
    left = list(answers)
    kube = SimpleNamespace(get=lambda *_: left.pop(0))
    remote.wait_over(cast("Any", SimpleNamespace(kube=kube, namespace="n")), "job")
    assert left == []
