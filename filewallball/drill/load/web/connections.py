"""A user's connections to a server, and in one word what went wrong on them."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import NamedTuple

import aiohttp
from multidict import CIMultiDict
from yarl import URL

IDLE_SECONDS = 30.0
"""An idle connection is closed after this time."""
GIVE_UP_SECONDS = 25.0
"""What takes longer hangs."""
_UNSAID = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Answer(NamedTuple):
    """`status` 0: there was none, and `error` says why."""

    status: int
    error: str = ""
    body: bytes = b""
    headers: CIMultiDict[str] = CIMultiDict()

    @property
    def server(self) -> str:
        """Which server of the application says that it answered."""
        return self.headers.get("x-served-by", "")

    @property
    def to_be_tried_again(self) -> bool:
        """Nothing was answered, and nothing had gone far: a client may try once more."""
        return self.error in ("refused", "reset")


class _Broken(Exception):
    """A connection broke before there was an answer. The cause says how."""


class Connections:
    """To one address; kept open between requests, and as many as there are requests at a time.

    Nothing is tried again here: what a client does about a failure is not this one's business.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        within: float = GIVE_UP_SECONDS,
    ) -> Answer:
        """The answer, or why there is none within so many seconds."""
        session = self._session = self._session or _session()
        url = self._urls.setdefault(path, URL(self._url + path, encoded=True))
        try:
            async with (
                asyncio.timeout(within),
                session.request(
                    method, url, headers=headers, data=content, allow_redirects=False
                ) as response,
            ):
                found = CIMultiDict(response.headers)
                try:
                    body = await response.read()
                except (aiohttp.ClientError, ConnectionError) as error:
                    return Answer(0, f"cut short: {_named(error)}", b"", found)
                return Answer(response.status, "", body, found)
        except TimeoutError:
            return Answer(0, "timeout")
        except _Broken as error:
            return Answer(0, "reset" if _is_reset(error.__cause__) else _named(error.__cause__))
        except aiohttp.ClientConnectorError as error:
            return Answer(0, _of_connecting(error))
        except (aiohttp.ClientError, OSError) as error:
            return Answer(0, "reset" if _is_reset(error) else _named(error))

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, ssl=_trusting()),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_UNSAID,
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        middlewares=[_once],
    )


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Another error than those after which aiohttp asks again by itself."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken from error


@cache
def _trusting() -> ssl.SSLContext:
    """A drill measures what users get; whether a certificate is good is the business of a check."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _of_connecting(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error.os_error, ConnectionRefusedError):
        return "refused"
    return "reset" if isinstance(error.os_error, ConnectionError) else _named(error)


def _is_reset(error: BaseException | None) -> bool:
    """The connection ended; an answer that isn't HTTP is something else."""
    return isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError | aiohttp.ClientOSError)


def _named(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
