"""`make bench` runs on the stack of today: one short round of it, on the tests' own sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_sandbox import Sandbox

from benchmarks.stack import BenchStack


@pytest.mark.timeout(420)
def test_the_benchmark_measures_the_stack_of_today(sandbox: Sandbox, tmp_path: Path) -> None:
    stack = BenchStack(tmp_path, sandbox.name, "bench")
    stack.prepare()
    try:
        results = [*stack.noop(1), *stack.up_against_kubectl(1)]
    finally:
        sandbox.kubectl("delete", "namespace", "bench", "--ignore-not-found", "--wait=false")
    names = {result.name: result for result in results}
    assert set(names) == {"no-op up", "no-op preview", "up on an empty cluster"}
    assert names["no-op up"].measured < names["up on an empty cluster"].ours[0]
    assert names["up on an empty cluster"].theirs
