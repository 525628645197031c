"""The sites as they are put together, without any server behind them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from filewallball.app.services import Services
from filewallball.app.settings import from_environment
from filewallball.app.web import sites
from filewallball.app.web.access import SAFE


@pytest.fixture
def services(tmp_path: Path) -> Services:
    (tmp_path / "password").write_text("x")
    return Services(
        from_environment(
            {
                "APP_DATABASE_HOST": "127.0.0.1",
                "APP_DATABASE_PORT": "1",
                "APP_DATABASE_NAME": "x",
                "APP_DATABASE_USER": "x",
                "APP_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
                "APP_CACHE_URL": "redis://127.0.0.1:1/0",
                "APP_SESSIONS_URL": "redis://127.0.0.1:1/0",
                "APP_FILES_ENDPOINT": "http://127.0.0.1:1",
                "APP_FILES_BUCKET": "x",
            }
        )
    )


def changes(routes: list[Any]) -> Iterator[tuple[str, str]]:
    for route in routes:
        assert isinstance(route, Route | Mount), "included routers are tried twice for each request"
        for method in getattr(route, "methods", None) or ():
            if method not in SAFE:
                yield method, re.sub(r"\{[^}]+\}", "1", route.path)


@pytest.mark.parametrize("made", [sites.site, sites.admin])
def test_a_page_of_another_site_can_ask_for_no_change(made: Any, services: Services) -> None:
    site = made(services)
    asked = list(changes(site._app.routes))
    assert len(asked) > 5
    client = TestClient(site)
    for method, path in asked:
        answer = client.request(method, path, headers={"Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_csrf"), (method, path)


def test_a_server_starts_without_what_it_never_uses() -> None:
    program = "import sys, filewallball.app.serve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert {"boto3", "s3transfer", "alembic"}.isdisjoint(done.stdout.split())
