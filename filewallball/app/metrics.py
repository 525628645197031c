"""What Prometheus reads at /metrics of either port."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

registry = CollectorRegistry()
ProcessCollector(registry=registry)
REQUESTS = Counter(
    "filewallball_requests",
    "Requests by route and status.",
    ("site", "method", "route", "status"),
    registry=registry,
)
SECONDS = Histogram(
    "filewallball_request_seconds",
    "Time until the last byte.",
    ("site", "route"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=registry,
)
UNDER_WAY = Gauge(
    "filewallball_requests_under_way", "Requests that are being served.", ("site",), registry=registry
)
CACHE = Gauge(
    "filewallball_cache_reads", "Reads of the cache since the start.", ("result",), registry=registry
)
UP = Gauge(
    "filewallball_server_up",
    "Whether a server behind the application answers.",
    ("server",),
    registry=registry,
)


def page() -> bytes:
    return generate_latest(registry)
