"""The files' bytes in an S3 store, from asyncio. An object's name is the file's id, never a user's text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.session import Session

from filewallball.app.breaker import Breaker
from filewallball.app.errors import NotFound, StoreFull, Unavailable
from filewallball.app.kept import Kept
from filewallball.app.settings import Files, WrongSetting, read_secret
from filewallball.app.threads import Threads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 2**20
"""How much of an upload is in memory at once."""
CHUNK_BYTES = 256 * 2**10
"""How much of a download is."""
THREADS, QUEUE_SECONDS = 16, 5.0
CONNECT_SECONDS, ANSWER_SECONDS, FINISH_SECONDS = 2, 10, 120
READ_ATTEMPTS = 3
_FULL = {"507", "InsufficientStorage", "QuotaExceeded", "StorageFull", "XMinioStorageFull", "NoSpace"}
_NONE = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}

_BROKEN_OFF = (Unavailable, BotoCoreError, HTTPClientError, OSError)

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    number: int
    etag: str
    size: int


class Store:
    """Each call raises Unavailable when the store can't be reached, StoreFull, or NotFound."""

    def __init__(self, settings: Files) -> None:
        self._settings = settings
        self._threads = Threads("store", THREADS, QUEUE_SECONDS)
        self._breaker = Breaker()
        self._kept = Kept()
        self._made: tuple[tuple[int, ...], S3Client, S3Client] | None = None

    def prepare(self) -> None:
        """Make the client, which takes long, before the first request. Never fails: that one tells why."""
        with suppress(OSError, WrongSetting, BotoCoreError):
            self._client(patient=False)

    async def put(self, name: str, data: bytes) -> None:
        """A whole object of at most a part's size."""
        await self._run(lambda s3: s3.put_object(**self._named(name), Body=data))

    async def begin(self, name: str) -> str:
        """An object in parts: the store's name for it."""
        return str((await self._run(lambda s3: s3.create_multipart_upload(**self._named(name))))["UploadId"])

    async def part(self, name: str, upload: str, number: int, data: bytes) -> Part:
        made = await self._run(
            lambda s3: s3.upload_part(**self._named(name), UploadId=upload, PartNumber=number, Body=data)
        )
        return Part(number, made["ETag"], len(data))

    async def parts(self, name: str, upload: str) -> list[Part]:
        """What has arrived, in order, as far as there is no gap."""

        def read(s3: S3Client) -> list[Part]:
            pages = s3.get_paginator("list_parts").paginate(**self._named(name), UploadId=upload)
            return [
                Part(each.get("PartNumber", 0), each.get("ETag", ""), each.get("Size", 0))
                for page in pages
                for each in page.get("Parts", [])
            ]

        found = sorted(await self._run(read), key=lambda each: each.number)
        return [each for place, each in enumerate(found, 1) if each.number == place]

    async def finish(self, name: str, upload: str, parts: Sequence[Part]) -> None:
        listed: Any = [{"PartNumber": each.number, "ETag": each.etag} for each in parts]
        await self._run(
            lambda s3: s3.complete_multipart_upload(
                **self._named(name), UploadId=upload, MultipartUpload={"Parts": listed}
            ),
            patient=True,
        )

    async def abort(self, name: str, upload: str) -> None:
        """Also when there is nothing left of it."""
        try:
            await self._run(lambda s3: s3.abort_multipart_upload(**self._named(name), UploadId=upload))
        except NotFound:
            return

    async def delete(self, name: str) -> None:
        """Also when there is no such object."""
        self._kept.drop(name)
        try:
            await self._run(lambda s3: s3.delete_object(**self._named(name)))
        except NotFound:
            return

    async def small(self, name: str, size: int) -> bytes:
        """All of an object of at most SMALL_BYTES, which is kept: it may be asked for again."""
        data = self._kept.get(name)
        if data is None:
            data = b"".join([chunk async for chunk in await self.read(name, 0, size - 1)])
            self._kept.put(name, data)
        return data

    async def read(self, name: str, first: int, last: int) -> AsyncIterator[bytes]:
        """Bytes `first` to `last`. Asks before it returns; goes on by itself where a connection breaks."""
        body, chunk = await self._open(name, first, last)
        return self._chunks(name, first, last, body, chunk)

    async def _chunks(
        self, name: str, first: int, last: int, body: Any, chunk: bytes
    ) -> AsyncIterator[bytes]:
        place, attempt = first, 1
        try:
            while place <= last:
                try:
                    chunk = chunk or await self._threads.run(partial(_chunk, body))
                except _BROKEN_OFF:
                    attempt += 1
                    if attempt > READ_ATTEMPTS:
                        raise
                    body.close()
                    body, chunk = await self._open(name, place, last)
                    continue
                place += len(chunk)
                yield chunk
                chunk = b""
        finally:
            body.close()

    async def works(self) -> bool:
        try:
            await self._run(lambda s3: s3.head_bucket(Bucket=self._settings.bucket))
        except (Unavailable, NotFound, ClientError):
            return False
        return True

    async def _open(self, name: str, first: int, last: int) -> tuple[Any, bytes]:
        """The body, and its first chunk: most bodies have no other. Empty if it broke off at once."""

        def call(s3: S3Client) -> tuple[Any, bytes]:
            body = s3.get_object(**self._named(name), Range=f"bytes={first}-{last}")["Body"]
            try:
                return body, _chunk(body)
            except _BROKEN_OFF:
                return body, b""

        return await self._run(call)

    def _named(self, name: str) -> Any:
        return {"Bucket": self._settings.bucket, "Key": name}

    async def _run(self, function: Callable[[S3Client], T], *, patient: bool = False) -> T:
        if not self._breaker.lets_through():
            raise Unavailable("The store of the files can't be reached.")

        def call() -> T:
            try:
                found = function(self._client(patient=patient))
            except ClientError as error:
                self._breaker.succeeded()
                raise _meaning(error) from error
            except (BotoCoreError, HTTPClientError, OSError, WrongSetting) as error:
                self._breaker.failed()
                raise Unavailable(f"The store of the files can't be reached: {error}") from error
            except BaseException:
                self._breaker.succeeded()
                raise
            self._breaker.succeeded()
            return found

        return await self._threads.run(call)

    def _client(self, *, patient: bool) -> S3Client:
        """Made anew when the keys' files change."""
        files = (self._settings.key_id_file, self._settings.secret_key_file)
        stamp = tuple(file.stat().st_mtime_ns for file in files if file)
        made = self._made
        if made is None or made[0] != stamp:
            made = self._made = (stamp, *self._make())
        return made[2] if patient else made[1]

    def _make(self) -> tuple[S3Client, S3Client]:
        """A client that waits for answers as usual, and a patient one."""
        settings = self._settings
        key_id = secret = None
        if settings.key_id_file and settings.secret_key_file:
            key_id = read_secret("APP_FILES_KEY_ID_FILE", settings.key_id_file)
            secret = read_secret("APP_FILES_SECRET_KEY_FILE", settings.secret_key_file)
        session = Session()  # for both: it reads the description of S3, which is long, once

        def client(answer: int) -> S3Client:
            made = session.create_client(
                "s3",
                endpoint_url=settings.endpoint,
                region_name=settings.region,
                aws_access_key_id=key_id,
                aws_secret_access_key=secret,
                verify=settings.ca_file,
                config=Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=answer,
                    max_pool_connections=2 * THREADS,
                    retries={"mode": "standard", "total_max_attempts": 2},
                    s3={"addressing_style": settings.addressing or ("path" if settings.endpoint else "auto")},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    proxies={} if settings.endpoint else None,
                ),
            )
            return cast("S3Client", made)

        return client(ANSWER_SECONDS), client(FINISH_SECONDS)

    def close(self) -> None:
        self._threads.close()


def _chunk(body: Any) -> bytes:
    found: bytes = body.read(CHUNK_BYTES)
    if not found:
        raise Unavailable("The store ended an object before its end.")
    return found


def _meaning(error: ClientError) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _FULL or status == 507:
        return StoreFull()
    if code in _NONE:
        return NotFound()
    # Refused, or broken: an administrator has to see to it; the user may try later.
    return Unavailable(f"The store of the files says: {error}", retry_after=10)
