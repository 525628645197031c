"""The paths that the balancer treats in another way are paths of the application."""

from __future__ import annotations

from facts.app import LOG_INS, UPLOADS
from filewallball.app.web import common, site_api, site_pages


def taken(method: str) -> set[str]:
    routes = [route for each in (common, site_api, site_pages) for route in each.router.routes]
    return {route.path for route in routes if method in route.methods}


def test_they_are_paths_of_the_application() -> None:
    assert set(LOG_INS) <= taken("POST")
    assert set(UPLOADS) <= taken("POST")
    assert [path for path in taken("PUT") if path.startswith(UPLOADS)]
