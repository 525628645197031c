"""Puts the two sites together."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from filewallball.app.services import Services
from filewallball.app.web import admin_api, admin_pages, common, problems, site_api, site_pages
from filewallball.app.web.frame import Frame
from filewallball.app.web.pages import FOLDER

UPLOADS = r"/upload|/api/v1/files|/api/v1/uploads/[^/]+"
"""Where bodies may be large."""
_STATIC_CACHE = "public, max-age=31536000, immutable"


class OurFiles(StaticFiles):
    """A path has the file's hash in its query: a browser need not ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        found = await super().get_response(path, scope)
        found.headers["Cache-Control"] = _STATIC_CACHE if scope["query_string"] else "no-cache"
        return found


def site(services: Services) -> ASGIApp:
    return _made(services, "site", UPLOADS, site_api.router, common.router, site_pages.router)


def admin(services: Services) -> ASGIApp:
    return _made(services, "admin", "", admin_api.router, common.router, admin_pages.router)


def _made(services: Services, name: str, uploads: str, *routers: APIRouter) -> ASGIApp:
    app = FastAPI(
        title=f"File wall: {name}",
        version="1",
        docs_url=None,  # its page loads scripts of others
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    app.state.admin = name == "admin"
    for each in routers:
        # Not by include_router: it tries each route twice for each request, which took a fifth of its time.
        app.router.routes.extend(each.routes)
    app.mount("/static", OurFiles(directory=FOLDER / "static"), "static")
    problems.add(app)
    return Frame(app, services, name, uploads)
