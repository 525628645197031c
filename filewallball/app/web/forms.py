"""Forms of pages: small ones at once, the one with a file as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.multipart import MultipartParser, parse_options_header

from filewallball.app.errors import Refused
from filewallball.app.sessions import Session
from filewallball.app.uploads import patiently
from filewallball.app.web import access

FIELD_BYTES = 4096
HEADER_BYTES = 8192
FORM_SECONDS = 30.0


async def read(request: Request, session: Session | None) -> dict[str, str]:
    """A form's fields. Raises Forbidden if its field `csrf` isn't the session's, or else the visitor's."""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            found = await request.form(max_files=0, max_fields=50)
    except TimeoutError:
        raise Refused("too_slow") from None
    fields = {name: value for name, value in found.items() if isinstance(value, str)}
    known = session.csrf if session else request.cookies.get(access.cookie_name(request, "visit"), "")
    access.check_token(known or "\0", fields.get("csrf", ""))
    return fields


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict[str, str])
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


class FileForm:
    """A multipart/form-data body: the fields that stand before its one file, then the file as a stream."""

    def __init__(self, request: Request) -> None:
        _, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary")
        if not boundary or len(boundary) > 200:
            raise Refused("bad_form")
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.type: str | None = None
        self._body = patiently(request.stream())
        self._part = _Part()
        self._in_file = self._after_file = False
        self._chunks: list[bytes] = []
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }
        self._parser = MultipartParser(boundary, callbacks)  # pyright: ignore[reportArgumentType]

    async def open(self) -> None:
        """Read as far as the file begins. Raises Refused where there is none."""
        while self.filename is None:
            if not await self._more():
                raise Refused("no_file", field="file")

    async def file(self) -> AsyncIterator[bytes]:
        """The file's bytes. Raises Refused for a form that breaks off."""
        while True:
            chunks, self._chunks = self._chunks, []
            for chunk in chunks:
                yield chunk
            if self._after_file:
                break
            if not await self._more():
                raise Refused("bad_form")
        async for _ in self._body:  # what follows is of no use
            pass

    async def _more(self) -> bool:
        chunk = await anext(self._body, b"")
        if chunk:
            try:
                self._parser.write(chunk)
            except Refused:
                raise
            except ValueError as error:  # the library's errors are such
                raise Refused("bad_form") from error
        return bool(chunk)

    def _begin(self) -> None:
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.name += data[start:end]
        self._bounded(len(self._part.name), HEADER_BYTES)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]
        self._bounded(len(self._part.value), HEADER_BYTES)

    def _header_end(self) -> None:
        name = self._part.name.decode("latin-1").lower()
        self._part.headers[name] = self._part.value.decode("utf-8", "replace")
        self._bounded(len(self._part.headers), 20)
        self._part.name, self._part.value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", "").encode())
        self._part.name = bytearray(options.get(b"name", b""))
        filename = options.get(b"filename")
        if filename is not None and self.filename is None:
            self.filename = filename.decode("utf-8", "replace")
            self.type = self._part.headers.get("content-type")
            self._in_file = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._chunks.append(data[start:end])
        elif not self._after_file:
            self._part.value += data[start:end]
            self._bounded(len(self._part.value), FIELD_BYTES)

    def _end(self) -> None:
        if self._in_file:
            self._in_file, self._after_file = False, True
        elif not self._after_file:
            self._bounded(len(self.fields), 50)
            self.fields[self._part.name.decode("utf-8", "replace")] = self._part.value.decode(
                "utf-8", "replace"
            )

    @staticmethod
    def _bounded(size: int, most: int) -> None:
        if size > most:
            raise Refused("bad_form")
