"""From an address to what works with it. Imports only what this address needs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from filewallball.storage import urls
from filewallball.storage.backend import Backend, Locks
from filewallball.storage.errors import WrongSetting, WrongValue
from filewallball.storage.urls import Address

MOST_LOCAL_SECONDS = 86_400
OPTIONS = frozenset(
    {"user", "password", "sentinel_user", "sentinel_password", "ca_file", "timeout", "attempt_timeout"}
    | {"max_connections", "max_size", "durable"}
)


def unpicklable(self: object) -> NoReturn:
    """For `__reduce__`."""
    raise WrongValue(
        f"A {type(self).__name__} can't be pickled or copied: what it has open belongs to this process. "
        "Give the address to the other process, and open it there."
    )


def address(url: str, options: dict[str, Any]) -> Address:
    """The address, with what was given beside it, which None leaves as it is."""
    found = urls.parse(url)
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in OPTIONS:
            raise WrongSetting(f"There is no option {name!r}. Use {', '.join(sorted(OPTIONS))}.")
        known = {*urls.OPTIONS[found.kind], *(("user", "password") if found.kind != "file" else ())}
        if name not in known:
            raise WrongSetting(f"The option {name!r} is not for {urls.hidden(url)!r}. Leave it out.")
        if name.endswith(("user", "password")) and getattr(found, name) is not None:
            raise WrongSetting(f"The {name} is in the address and beside it. Give it once.")
    if "ca_file" in given:
        given["ca_file"] = str(given["ca_file"])
        if not found.encrypted and found.kind != "sentinel":
            raise WrongSetting("ca_file is for encrypted connections. Write rediss:// in place of redis://.")
        given["encrypted"] = True
    for name in ("user", "sentinel_user"):
        if not isinstance(given.get(name, ""), str):
            raise WrongSetting(f"{name} is {given[name]!r}. Write a text.")
    for name in ("password", "sentinel_password"):
        secret = given.get(name, "")
        if not isinstance(secret, str | Path) and not callable(secret):
            raise WrongSetting(
                f"The {name} is a {type(secret).__name__}. Write a text, a Path or a function."
            )
    for name in ("timeout", "attempt_timeout"):
        if name in given:
            given[name] = urls.seconds(name, str(given[name]))
    if "max_connections" in given:
        given["max_connections"] = urls.connections(str(given["max_connections"]))
    if "max_size" in given:
        given["max_size"] = urls.size(str(given["max_size"]))
    if "durable" in given:
        said = given["durable"]
        given["durable"] = urls.switch("durable", str(int(said) if isinstance(said, bool) else said))
    assert {field.name for field in fields(Address)} >= set(given)  # noqa: S101 - of our own making
    return replace(found, **given)


@dataclass(frozen=True, slots=True)
class Local:
    """Copies in this process before the server: how many at most, and for how many seconds at most."""

    items: int = 10_000
    ttl: float = 30.0


def backend(where: Address, prefix: str = "", local: Local | None = None) -> Backend:
    """For threads."""
    if local:
        from filewallball.storage.local.backend import TwoLevels

        copies = _copies(where, prefix, local)
        copying: Any = TwoLevels(backend(where), *copies)
        return copying
    if where.kind == "file":
        return _disk(where)
    from filewallball.storage.on_redis.backend import OnRedis

    return OnRedis(where)


def async_backend(where: Address, prefix: str = "", local: Local | None = None) -> Any:
    """For asyncio: the same calls, to be awaited."""
    if local:
        from filewallball.storage.local.backend import AsyncTwoLevels

        copies = _copies(where, prefix, local)
        return AsyncTwoLevels(async_backend(where), *copies)
    if where.kind == "file":
        from filewallball.storage.threads import InThreads

        return InThreads(_disk(where))
    from filewallball.storage.on_redis.asynchronous import OnAsyncRedis

    return OnAsyncRedis(where)


def _copies(where: Address, prefix: str, local: Local) -> Any:
    from filewallball.storage.local.copies import Copies
    from filewallball.storage.local.news import News

    if where.kind not in ("redis", "sentinel"):
        raise WrongSetting(
            "Copies in the process need one server or a set with Sentinels. Leave `local` out."
        )
    items: Any = getattr(local, "items", None)
    ttl: Any = getattr(local, "ttl", None)
    whole = type(items) is int and items >= 1
    if not whole or type(ttl) not in (int, float) or not 0 < ttl < MOST_LOCAL_SECONDS:
        raise WrongSetting(
            f"local is {local!r}. Write Local(items=10_000, ttl=30): at least 1 item, and seconds "
            f"from 0 to {MOST_LOCAL_SECONDS}."
        )
    copies = Copies(local.items, local.ttl)
    return copies, News(where, prefix.encode(), copies)


def _disk(where: Address) -> Backend:
    from filewallball.storage.on_disk import OnDisk

    return OnDisk(where.folder, max_size=where.max_size, durable=where.durable)


def disk_locks(folder: Path) -> Locks:
    """Locks in this folder."""
    from filewallball.storage.locks.on_disk import DiskLocks

    return DiskLocks(folder)
