"""`make bench` runs on the stack of today: one short round of it, on the tests' own sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_stack import SharedStack

from benchmarks import stack

# The dev stack as it is, with what no stack of the tests has: five Sentinels, and as much CPU asked for.
NAMESPACE = "bench"


@pytest.mark.timeout(420)
def test_the_benchmark_measures_the_stack_of_today(shared_stack: SharedStack, tmp_path: Path) -> None:
    sandbox = shared_stack.sandbox
    dev = stack.BenchStack(tmp_path, sandbox.name, NAMESPACE)
    dev.render()
    try:
        by_kubectl = dev.kubectl_alone()
    finally:
        sandbox.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
    results = {one.name: one.measured for one in stack.noop(shared_stack.project, shared_stack.name, 1)}
    assert set(results) == {"no-op up", "no-op preview"}
    assert 0 < results["no-op up"] < by_kubectl
