"""Latencies of the benchmark of the balancer count from when a request was due."""

from __future__ import annotations

import pytest

from benchmarks.attack import judged, quantile

MS = 1_000_000
START = 1_700_000_000_000 * MS


def test_what_is_sent_late_has_waited():
    """A client that stood still for 30 ms would else hide what became of its users."""
    sent = [0, 10, 50, 51, 52]  # all due 10 ms after one another
    rows = {number: (START + at * MS, 1 * MS, True) for number, at in enumerate(sent)}
    found = judged(rows, rate=100.0)
    assert found.due == pytest.approx([1, 1, 13, 22, 31])
    assert found.sent == pytest.approx([1] * 5)
    assert found.failed == 0


def test_quantiles_and_failures():
    rows = {n: (START + n * 10 * MS, (n + 1) * MS, n != 3) for n in range(100)}
    found = judged(rows, rate=100.0)
    assert [quantile(found.due, part) for part in (0.5, 0.99, 0.999)] == pytest.approx([50, 99, 100])
    assert found.failed == 1
