"""Files: their metadata in MariaDB, read through the cache, and their bytes in the store.

A row comes before its object and goes after it, so that no object is ever without a row. `shared` files are
on the wall: everybody may look at them. All others are their owner's alone.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from filewallball.app.accounts import plain
from filewallball.app.cache import FILE_SECONDS, Cache, file_key
from filewallball.app.database import Database
from filewallball.app.errors import NeedsLogin, NotFound, TooMany, Unavailable
from filewallball.app.names import clean_name, clean_type
from filewallball.app.store import Store
from filewallball.app.tables import files, users

PAGE = 24
ABANDONED_HOURS = 24
MOST_PENDING = 50
"""Uploads of one user that have begun and not ended."""
_FIELDS = (
    files.c.id,
    files.c.owner_id,
    users.c.name.label("owner"),
    files.c.name,
    files.c.type,
    files.c.size,
    files.c.sha256,
    files.c.shared,
    files.c.created_at,
)
WALL_KEY = "cache:files:shared"


class Files:
    def __init__(self, database: Database, cache: Cache, store: Store) -> None:
        self._database, self._cache, self.store = database, cache, store

    async def see(self, file: str, viewer: int | None) -> dict[str, Any]:
        """A file's metadata. Raises NotFound for others' files too, so that nobody learns that they exist."""
        found = await self._read(_valid(file))
        if not found or not (found["shared"] or found["owner_id"] == viewer):
            raise NotFound
        return found

    async def own(self, file: str, owner: int) -> dict[str, Any]:
        """The same for who may change it: its owner."""
        found = await self._read(_valid(file))
        if not found or found["owner_id"] != owner:
            raise NotFound
        return found

    async def any(self, file: str) -> dict[str, Any]:
        """For administrators. Raises NotFound."""
        found = await self._load(_valid(file))
        if not found:
            raise NotFound
        return found

    async def _read(self, file: str) -> dict[str, Any] | None:
        found = await self._cache.get(file_key(file))
        if found is None:
            try:
                found = await self._load(file)
            except Unavailable:
                # the cache may only have been too slow, and now there is nothing that is faster
                found = await self._cache.get(file_key(file))
                if found is None:
                    raise
            else:
                if found:
                    await self._cache.fill(file_key(file), found, FILE_SECONDS)
        return found if found and not found.get("gone") else None

    async def _load(self, file: str, change: Any = None) -> dict[str, Any] | None:
        """As it is in the database, after a statement that changes it."""

        def read(connection: Connection) -> RowMapping | None:
            if change is not None:
                connection.execute(change)
            return connection.execute(_ONE, {"file": file}).mappings().first()

        row = await self._database.run(read)
        return plain(row) if row else None

    async def of_owner(self, owner: int, like: str = "", before: str = "") -> list[dict[str, Any]]:
        """A page of the owner's files, the newest first; `before`: the last id of the one before."""
        return await self._page(_ready().where(files.c.owner_id == owner), like, before)

    async def all(self, like: str = "", before: str = "") -> list[dict[str, Any]]:
        """A page of everybody's, for administrators."""
        return await self._page(_ready(), like, before)

    async def wall(self, like: str = "", before: str = "") -> list[dict[str, Any]]:
        """A page of the shared ones. The first is cached for some seconds."""
        if like or before:
            return await self._page(_ready().where(files.c.shared), like, before)
        return await self._cache.kept(WALL_KEY, FILE_SECONDS, self._first_of_wall)

    async def _first_of_wall(self) -> list[dict[str, Any]]:
        return await self._page(_ready().where(files.c.shared), "", "")

    async def _page(self, wanted: Any, like: str, before: str) -> list[dict[str, Any]]:
        if like:
            wanted = wanted.where(files.c.name.contains(like, autoescape=True))
        if before:
            last = select(files.c.created_at).where(files.c.id == before).scalar_subquery()
            wanted = wanted.where(
                or_(files.c.created_at < last, and_(files.c.created_at == last, files.c.id < before))
            )
        wanted = wanted.order_by(files.c.created_at.desc(), files.c.id.desc()).limit(PAGE)
        return [plain(row) for row in await self._database.run(lambda c: c.execute(wanted).mappings().all())]

    async def begin(
        self, owner: int, name: str, kind: str | None, size: int, *, shared: bool
    ) -> dict[str, Any]:
        """A row for a file that is to come. Raises TooMany."""
        values = {"id": str(uuid.uuid4()), "owner_id": owner, "state": "uploading", "name": clean_name(name),
                  "type": clean_type(kind), "size": size, "shared": shared}  # fmt: skip

        def add(connection: Connection) -> None:
            if connection.execute(_PENDING, {"owner": owner}).scalar_one() >= MOST_PENDING:
                raise TooMany("too_many_uploads", retry_after=60, most=MOST_PENDING)
            connection.execute(insert(files), values)

        try:
            await self._database.run(add)
        except IntegrityError:
            raise NeedsLogin from None  # a check's account, which has just been removed
        return values

    async def begin_parts(self, file: str) -> str:
        """Let its object come in parts: the store's name for them, which the row keeps."""
        upload = await self.store.begin(file)
        kept = update(files).where(files.c.id == file).values(store_upload=upload)
        await self._database.run(lambda connection: connection.execute(kept))
        return upload

    async def pending(self, file: str, owner: int) -> dict[str, Any]:
        """An upload that has begun. Raises NotFound."""
        wanted = select(files).where(
            files.c.id == _valid(file), files.c.owner_id == owner, files.c.state == "uploading"
        )
        row = await self._database.run(lambda connection: connection.execute(wanted).mappings().first())
        if not row:
            raise NotFound
        return plain(row)

    async def arrived(self, file: str, size: int, sha256: str) -> dict[str, Any]:
        """The object is there: from now on the file is. Raises NotFound if it was given up meanwhile."""
        ready = update(files).where(files.c.id == file, files.c.state == "uploading")
        ready = ready.values(state="ready", size=size, sha256=sha256, store_upload=None)
        return await self._changed(file, ready)

    async def change(
        self, found: dict[str, Any], *, name: str | None = None, shared: bool | None = None
    ) -> dict[str, Any]:
        """`found`: the file as it is."""
        values: dict[str, Any] = {"name": clean_name(name)} if name is not None else {}
        values |= {"shared": shared} if shared is not None else {}
        this = update(files).where(files.c.id == found["id"], files.c.state == "ready")
        change = this.values(values) if values else None
        return await self._changed(found["id"], change, shared_before=found["shared"])

    async def _changed(self, file: str, change: Any, *, shared_before: bool = False) -> dict[str, Any]:
        """The file after a change, in the cache too, whatever a slower reader is about to write there."""
        found = await self._load(file, change)
        if not found:
            raise NotFound
        await self._cache.put(file_key(file), found, FILE_SECONDS)
        if found["shared"] or shared_before:
            await self._wall_changed()
        return found

    async def _wall_changed(self) -> None:
        """The cached wall is read anew at once, so that it is there should the database go."""
        await self._cache.drop(WALL_KEY)
        with suppress(Unavailable):
            await self.wall()

    async def remove(self, found: dict[str, Any]) -> None:
        """The file is gone at once; its object as soon as the store answers."""
        file = found["id"]
        if not await self._mark(file, "ready"):
            return
        await self._cache.put(file_key(file), {"gone": True}, FILE_SECONDS)
        if found["shared"]:
            await self._wall_changed()
        with suppress(Unavailable):  # else sweep() does it
            await self._wipe(file, None)

    async def give_up(self, file: str) -> None:
        """Forget an upload, now or, where a server is gone, later."""
        wanted = select(files.c.store_upload).where(files.c.id == file)
        with suppress(Unavailable):
            upload = await self._database.run(lambda connection: connection.execute(wanted).scalar())
            if await self._mark(file, "uploading"):
                await self._wipe(file, upload)

    async def sweep(self) -> int:
        """Finish what was interrupted: deletions, and uploads that nobody went on with. How many."""
        old = text(f"files.created_at < UTC_TIMESTAMP(6) - INTERVAL {ABANDONED_HOURS} HOUR")
        wanted = (
            select(files.c.id, files.c.state, files.c.store_upload)
            .where(or_(files.c.state == "deleting", and_(files.c.state == "uploading", old)))
            .limit(100)
        )
        rows = await self._database.run(lambda connection: connection.execute(wanted).all())
        for file, state, upload in rows:
            if state == "deleting" or await self._mark(file, state):
                await self._wipe(file, upload)
        return len(rows)

    async def _mark(self, file: str, state: str) -> bool:
        """Let nobody use it from here on; whether it was in that state."""
        mark = update(files).where(files.c.id == file, files.c.state == state).values(state="deleting")
        return bool(await self._database.run(lambda connection: connection.execute(mark).rowcount))

    async def _wipe(self, file: str, upload: str | None) -> None:
        if upload:
            await self.store.abort(file, upload)
        await self.store.delete(file)
        gone = delete(files).where(files.c.id == file, files.c.state == "deleting")
        await self._database.run(lambda connection: connection.execute(gone))

    async def usage(self) -> tuple[int, int]:
        """How many files there are, and their bytes."""
        wanted = select(func.count(), func.coalesce(func.sum(files.c.size), 0)).where(
            files.c.state == "ready"
        )
        row = await self._database.run(lambda connection: connection.execute(wanted).one())
        return int(row[0]), int(row[1])


def _ready() -> Any:
    return select(*_FIELDS).join(users, users.c.id == files.c.owner_id).where(files.c.state == "ready")


_PENDING = select(func.count()).where(files.c.owner_id == bindparam("owner"), files.c.state == "uploading")
_ONE = _ready().where(files.c.id == bindparam("file"))


def _valid(file: str) -> str:
    """Raises NotFound for what is no id."""
    try:
        return str(uuid.UUID(file))
    except ValueError:
        raise NotFound from None
