"""The answer that carries a file or a part of it, to be saved or, where that is safe, shown in place."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from filewallball.app import ranges
from filewallball.app.files import Files
from filewallball.app.kept import SMALL_BYTES
from filewallball.app.names import SHOWN, UNKNOWN_TYPE, disposition

_SANDBOX = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"


async def respond(request: Request, files: Files, found: dict[str, Any], *, inline: bool = False) -> Response:
    """By RFC 9110: 200, 206, 304 or 416. Whatever the file holds, it can't act as a page of this site."""
    size, etag = found["size"], f'"{found["sha256"]}"'
    inline = inline and found["type"] in SHOWN
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        # Each use asks again: a file may have been taken from the wall.
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition(found["name"], inline=inline),
        "Content-Security-Policy": _SANDBOX,
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if ranges.same(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range") if request.method == "GET" else None
    if request.headers.get("if-range", etag) != etag:
        wanted = None
    try:
        part = ranges.asked(wanted, size)
    except ranges.NoSuchRange:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    whole = part or ranges.Range(0, size - 1)
    headers["Content-Length"] = str(whole.length)
    if part:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    status, kind = 206 if part else 200, found["type"] if inline else UNKNOWN_TYPE
    if request.method == "HEAD" or size == 0:
        return Response(status_code=status, headers=headers, media_type=kind)
    if size <= SMALL_BYTES:
        data = await files.store.small(found["id"], size)
        return Response(data[whole.first : whole.last + 1], status, headers, kind)
    body = await files.store.read(found["id"], whole.first, whole.last)
    return StreamingResponse(body, status, headers, kind)
