"""The S3 bucket that holds the backups: what this package needs of it, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError

from filewallball import proxies
from filewallball.backup.settings import StoreSettings
from filewallball.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART = 16 * 2**20
_MAX_PARTS = 9000
_CHUNK = 2**20
_HINTS = {
    "NoSuchBucket": "Create the bucket, or correct FWB_STORE_BUCKET.",
    "InvalidAccessKeyId": "The store does not know the access key in the Secret store-credentials.",
    "SignatureDoesNotMatch": "The secret key is wrong: compare it with the Secret store-credentials.",
    "AccessDenied": "The credentials may not do this in the bucket: look at its policy.",
    "RequestTimeTooSkewed": "The clocks of this machine and of the store differ too much.",
}


class StoreError(UserError):
    """The store could not be reached or refused."""


class AlreadyThere(StoreError):
    """An object of that name exists; it was left alone."""


@dataclass(frozen=True)
class Stored:
    """One object: its key below the prefix, its size in bytes, when it was written."""

    key: str
    size: int
    modified: datetime


class Store:
    """Objects of one bucket below one prefix; keys are without the prefix. Every method raises StoreError."""

    def __init__(self, settings: StoreSettings, client: S3Client | None = None) -> None:
        self.settings = settings
        with self._errors("prepare"):
            self._client = client or _client(settings)

    def check(self) -> None:
        """Prove that the bucket is there and may be listed."""
        with self._errors("list"):
            self._client.list_objects_v2(Bucket=self.settings.bucket, Prefix=self.settings.prefix, MaxKeys=1)

    def list(self) -> Iterator[Stored]:
        """Every object below the prefix, in the order of the keys, page by page."""
        prefix = self.settings.prefix
        with self._errors("list"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.settings.bucket, Prefix=prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    if "Key" in item and "Size" in item and "LastModified" in item:
                        yield Stored(item["Key"].removeprefix(prefix), item["Size"], item["LastModified"])

    def exists(self, key: str) -> bool:
        """Whether an object of that key is there."""
        try:
            self._client.head_object(Bucket=self.settings.bucket, Key=self._key(key))
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return False
            raise self._error("look for", key, error) from error
        except BotoCoreError as error:
            raise self._error("look for", key, error) from error
        return True

    def put_file(self, path: Path, key: str) -> None:
        """Upload a file, in parts if it is large. Raises AlreadyThere rather than overwrite."""
        size = path.stat().st_size
        if size <= PART:
            self.put(path.read_bytes(), key)
            return
        with self._errors("upload", key):
            # Parts one after another, so that memory does not grow with the backup; S3 takes 10,000 of them.
            self._put_parts(path, self._key(key), max(PART, -(-size // _MAX_PARTS)))

    def put(self, data: bytes, key: str) -> None:
        """Store a small object. Raises AlreadyThere rather than overwrite."""
        with self._errors("upload", key):
            self._client.put_object(
                Bucket=self.settings.bucket, Key=self._key(key), Body=data, IfNoneMatch="*"
            )

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

    def _put_parts(self, path: Path, key: str, part_size: int) -> None:
        bucket = self.settings.bucket
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
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except BaseException:
            self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
            raise

    def _key(self, key: str) -> str:
        return self.settings.prefix + key

    @contextmanager
    def _errors(self, verb: str, key: str = "") -> Generator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self._error(verb, key, error) from error

    def _error(self, verb: str, key: str, error: Exception) -> StoreError:
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        what = f"{verb} {key} in" if key else verb
        if code in ("PreconditionFailed", "412"):
            return AlreadyThere(f"{key} is already in {self.settings.where}", "It was left as it is.")
        if isinstance(error, FlexibleChecksumError):
            return StoreError(
                f"{key} is damaged in the store, {self.settings.where}: {error}", "Use another one."
            )
        hint = _HINTS.get(
            code, "Check FWB_STORE_ENDPOINT and FWB_STORE_REGION, the credentials, and that the store runs."
        )
        return StoreError(f"Cannot {what} {self.settings.where}: {error}", hint)


def _proxies(endpoint: str | None) -> dict[str, str] | None:
    """By scheme; None leaves it to boto3, which knows AWS's names, but not ours, nor networks in NO_PROXY."""
    if endpoint is None:
        return None
    proxy = proxies.proxy_for(endpoint)
    return {urlsplit(endpoint).scheme: proxy} if proxy else {}


def _client(settings: StoreSettings) -> S3Client:
    # Stores other than AWS seldom have a DNS name per bucket.
    style = {"addressing_style": "path"} if settings.endpoint else {}
    session: Session = Session()
    return session.client(  # pyright: ignore[reportUnknownMemberType] - overloads for services without stubs
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 3},
            s3=style,  # pyright: ignore[reportArgumentType]
            proxies=_proxies(settings.endpoint),
        ),
    )
