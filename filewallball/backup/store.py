"""The S3 bucket that holds the backups: what this package needs of it, with errors that say what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from filewallball.backup import s3
from filewallball.backup.abilities import Abilities, Probing, refused
from filewallball.backup.lease import Lease, NoLease
from filewallball.backup.s3 import AlreadyThere, StoreError, explained
from filewallball.backup.settings import StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

__all__ = ["AlreadyThere", "Store", "StoreError", "Stored"]

PART = 16 * 2**20
"""Bytes of one part of an upload."""
_MAX_PARTS = 1000
"""S3 takes 10,000 parts, but some stores take 1,000 (Scaleway)."""
_CHUNK = 2**20
"""Bytes that are read at a time."""
_UNGUARDED = (
    "The store does not honour If-None-Match{parts}. So before each upload its name is looked for, and "
    "{held}. What stays unguarded: {left} in the moment between the look and the upload."
)


@dataclass(frozen=True)
class Stored:
    """One object: its key below the prefix, its size in bytes, when it was written."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Unfinished:
    """An upload in parts that has not ended: its key below the prefix, its number, when it began."""

    key: str
    number: str
    begun: datetime


class Store:
    """Objects of one bucket below one prefix; keys are without the prefix. Every method raises StoreError."""

    def __init__(self, settings: StoreSettings, client: S3Client | None = None) -> None:
        self.settings = settings
        # AWS can do it all. Of any other store it is found out before the first upload.
        self._known: Abilities | None = None if settings.endpoint else Abilities(parts_guard=True)
        self._say: Callable[[str], None] = lambda _: None
        self._clients: dict[bool, S3Client] = {}
        with self._errors("prepare"):
            self._client = client or self._with(checksums=True)

    def check(self) -> None:
        """Prove that the bucket is there and may be listed."""
        with self._errors("list"):
            self._client.list_objects_v2(Bucket=self.settings.bucket, Prefix=self.settings.prefix, MaxKeys=1)

    def now(self) -> datetime:
        """The store's own time, by which it dates objects; ours where it tells none."""
        with self._errors("list"):
            answer: Any = self._client.list_objects_v2(
                Bucket=self.settings.bucket, Prefix=self.settings.prefix, MaxKeys=1
            )
        told = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        with suppress(ValueError):
            return parsedate_to_datetime(told).astimezone(UTC)
        return datetime.now(UTC)

    def unfinished(self, begins: str) -> list[Unfinished]:
        """The uploads in parts that nobody has ended, of keys that begin so."""
        found: list[Unfinished] = []
        where: Any = {"Bucket": self.settings.bucket, "Prefix": self._key(begins)}
        page: Any = {"IsTruncated": True}
        with self._errors("look for unfinished uploads"):
            while page.get("IsTruncated"):
                page = self._client.list_multipart_uploads(**where)
                found += [
                    Unfinished(
                        each["Key"].removeprefix(self.settings.prefix), each["UploadId"], each["Initiated"]
                    )
                    for each in page.get("Uploads", [])
                ]
                where |= {each: page.get(f"Next{each}", "") for each in ("KeyMarker", "UploadIdMarker")}
        return found

    def abandon(self, upload: Unfinished) -> None:
        """Remove the parts of an upload that was never ended."""
        with self._errors("remove the parts of", upload.key):
            self._client.abort_multipart_upload(
                Bucket=self.settings.bucket, Key=self._key(upload.key), UploadId=upload.number
            )

    def learn(self, say: Callable[[str], None]) -> None:
        """Find out what the store can do, once; `say` hears what it can't, and what is done instead."""
        self._say = say
        self._abilities()

    def list(self) -> Iterator[Stored]:
        """Every object below the prefix, in the order of the keys, page by page."""
        with self._errors("list"):
            for item in self._items(self.settings.prefix):
                if "Key" in item and "Size" in item and "LastModified" in item:
                    key = item["Key"].removeprefix(self.settings.prefix)
                    yield Stored(key, item["Size"], item["LastModified"])

    def _items(self, prefix: str) -> Iterator[Any]:
        where: Any = {"Bucket": self.settings.bucket, "Prefix": prefix}
        token: Any = {}
        while True:
            try:
                page: Any = self._client.list_objects_v2(**where, **token)
            except ClientError as error:
                if token or not refused(error) or s3.code_of(error)[1] not in (400, 405, 501):
                    raise
                yield from self._items_of_old(where, "")
                return
            found: list[Any] = page.get("Contents", [])
            yield from found
            if not page.get("IsTruncated"):
                return
            if not page.get("NextContinuationToken"):
                # It does not know this way of listing, and answered the one before it.
                yield from self._items_of_old(where, found[-1]["Key"])
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _items_of_old(self, where: Any, after: str) -> Iterator[Any]:
        while True:
            page: Any = self._client.list_objects(**where, Marker=after)
            found: list[Any] = page.get("Contents", [])
            yield from found
            if not page.get("IsTruncated") or not found:
                return
            after = found[-1]["Key"]

    def exists(self, key: str) -> bool:
        """Whether an object of that key is there."""
        # Not by HEAD: AWS answers 403 in place of 404 to whoever may list only some names of a bucket.
        with self._errors("look for", key):
            return any(item.get("Key") == self._key(key) for item in self._items(self._key(key)))

    def put_file(self, path: Path, key: str) -> None:
        """Upload a file, in parts if it is large. Raises AlreadyThere rather than overwrite."""
        size = path.stat().st_size
        if size <= PART:
            self.put(path.read_bytes(), key)
            return
        with self._errors("upload", key), self._alone(key, in_parts=True) as condition:
            # Parts one after another, so that memory does not grow with the backup.
            self._put_parts(path, key, max(PART, -(-size // _MAX_PARTS)), condition)

    def put(self, data: bytes, key: str) -> None:
        """Store a small object. Raises AlreadyThere rather than overwrite."""
        with self._errors("upload", key), self._alone(key) as condition:
            try:
                self._client.put_object(
                    Bucket=self.settings.bucket, Key=self._key(key), Body=data, **condition
                )
            except ClientError as error:
                if not self._arrived(error, key, [data]):
                    raise

    def get(self, key: str) -> bytes:
        """The whole of a small object."""
        return b"".join(self.chunks(key))

    def chunks(self, key: str) -> Iterator[bytes]:
        """An object's content, piece by piece."""
        with self._errors("read", key):
            body = self._client.get_object(Bucket=self.settings.bucket, Key=self._key(key))["Body"]
            yield from body.iter_chunks(_CHUNK)

    def delete(self, key: str) -> None:
        """Remove an object; no error if it isn't there."""
        with self._errors("remove", key):
            self._client.delete_object(Bucket=self.settings.bucket, Key=self._key(key))

    def _arrived(self, error: ClientError, key: str, pieces: Iterable[bytes]) -> bool:
        """Whether what is refused as taken is this very upload, tried again since its answer was lost."""
        retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        if not retries or not (s3.is_taken(error) or s3.code_of(error)[0] == "NoSuchUpload"):
            return False
        return self.exists(key) and _digest(self.chunks(key)) == _digest(pieces)

    def _put_parts(self, path: Path, name: str, part_size: int, condition: Any) -> None:
        bucket, key = self.settings.bucket, self._key(name)
        upload = self._client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        try:
            parts: list[CompletedPartTypeDef] = []
            with path.open("rb") as file:
                while data := file.read(part_size):
                    number = len(parts) + 1
                    done = self._client.upload_part(
                        Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=data
                    )
                    parts.append({"ETag": done["ETag"], "PartNumber": number})
            self._client.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException as error:
            # What went wrong first is told. Parts that stay are removed by a later run.
            with suppress(BotoCoreError, ClientError):
                self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
            if isinstance(error, ClientError) and self._arrived(error, name, _pieces(path)):
                return
            raise

    def _key(self, key: str) -> str:
        return self.settings.prefix + key

    @contextmanager
    def _alone(self, key: str, *, in_parts: bool = False) -> Generator[Any]:
        """What lets an upload fail rather than overwrite: a condition of its own, or a look under a Lease."""
        known = self._abilities(in_parts=in_parts)
        if known.parts_guard if in_parts else known.guard:
            yield {"IfNoneMatch": "*"}
            return
        with self._lease():
            if self.exists(key):
                raise AlreadyThere(f"{key} is already in {self.settings.where}", "It was left as it is.")
            yield {}

    @contextmanager
    def _lease(self) -> Generator[None]:
        try:
            lease = Lease.in_cluster(self.settings.lease)
        except NoLease:
            yield
            return
        with lease:
            yield

    def _abilities(self, *, in_parts: bool = False) -> Abilities:
        if self._known is None:
            with self._errors("upload to"):
                self._known = self._probing().run()
            self._client = self._with(checksums=self._known.checksums)
            if not self._known.guard:
                self._tell("")
        if in_parts and self._known.parts_guard is None:
            with self._errors("upload in parts to"):
                guarded = self._known.guard and self._probing().parts_guard(self._known)
            if self._known.guard and not guarded:
                self._tell(" for uploads in parts")
            self._known = replace(self._known, parts_guard=guarded)
        return self._known

    def _probing(self) -> Probing:
        return Probing(
            lambda checksums: self._with(checksums=checksums),
            self.settings.bucket,
            self.settings.prefix,
            self._say,
        )

    def _tell(self, parts: str) -> None:
        try:
            Lease.in_cluster(self.settings.lease)
        except NoLease as error:
            held, left = f"no Lease keeps others away ({error})", "whoever else writes into the bucket"
        else:
            held = f"the Lease {self.settings.lease} keeps the other jobs of this stack away"
            left = "whoever writes into the bucket from outside of this stack"
        self._say(_UNGUARDED.format(parts=parts, held=held, left=left))

    def _with(self, *, checksums: bool) -> S3Client:
        if checksums not in self._clients:
            self._clients[checksums] = s3.client(self.settings, checksums=checksums)
        return self._clients[checksums]

    @contextmanager
    def _errors(self, verb: str, key: str = "") -> Generator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise explained(error, verb, key, self.settings.where) from error


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")


def _digest(pieces: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
