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
        results = {result.name: result.measured for result in stack.noop(1)}
        by_kubectl = stack.kubectl_alone()
    finally:
        sandbox.kubectl("delete", "namespace", "bench", "--ignore-not-found", "--wait=false")
    assert set(results) == {"no-op up", "no-op preview"}
    assert 0 < results["no-op up"] < by_kubectl
