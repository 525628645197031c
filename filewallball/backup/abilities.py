"""What a store can do, found out with a small object that is removed again.

Stores that call themselves S3-compatible differ in what came to S3 late: checksums that clients send by
default (Backblaze B2, Google, Ceph, OVH and others refuse them, or keep them as part of the object), and
If-None-Match, which some answer with 501 and others ignore. An upload that trusted either would fail, or
overwrite.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from filewallball.backup.s3 import StoreError, code_of, is_taken

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROBE = "fwb-probe-"
"""The keys of the small test objects begin with this."""

_ALONE: Any = {"IfNoneMatch": "*"}
_FINAL = frozenset(
    (
        "AccessDenied",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoSuchBucket",
        "RequestTimeTooSkewed",
    )
)
"""Error codes after which another form of the same request would be refused as well."""


@dataclass(frozen=True)
class Abilities:
    """`checksums`: it takes those that clients send. `guard`: it honours If-None-Match.

    `parts_guard`: also for uploads in parts; None: nobody has tried yet.
    """

    checksums: bool = True
    guard: bool = True
    parts_guard: bool | None = None


def refused(error: Exception) -> bool:
    """Whether the store refused the form of a request, so that another form may pass."""
    code, status = code_of(error)
    return code not in _FINAL and status in (304, 400, 403, 405, 411, 412, 501)


class Probing:
    """`client(checksums)` makes the client; keys begin with `prefix`; `say` hears what is worth telling."""

    def __init__(
        self, client: Callable[[bool], S3Client], bucket: str, prefix: str, say: Callable[[str], None]
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._key = f"{prefix}{PROBE}{secrets.token_hex(8)}"
        self._say = say

    def run(self) -> Abilities:
        """Raises StoreError if what is stored does not come back, and the client's errors."""
        try:
            return self._run()
        finally:
            self._remove()

    def parts_guard(self, known: Abilities) -> bool:
        """Whether an upload in parts honours If-None-Match. Raises the client's errors."""
        client = self._client(known.checksums)
        where: Any = {"Bucket": self._bucket, "Key": self._key}
        try:
            client.put_object(**where, Body=b"first")
            upload: Any = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
            try:
                tag = client.upload_part(**upload, PartNumber=1, Body=b"second")["ETag"]
                parts: Any = {"Parts": [{"ETag": tag, "PartNumber": 1}]}
                client.complete_multipart_upload(**upload, MultipartUpload=parts, **_ALONE)
            except ClientError as error:
                with suppress(ClientError):
                    client.abort_multipart_upload(**upload)
                if not is_taken(error) and not refused(error):
                    raise
                return is_taken(error)
            return False
        finally:
            self._remove()

    def _run(self) -> Abilities:
        found = self._accepted(b"first")
        if found.checksums and not self._comes_back(found, b"first"):
            found = replace(found, checksums=False)
            self._say(
                "The store keeps the checksums of uploads as part of the object. Uploads go without "
                "them; each is read back and compared."
            )
            self._put(found, b"first", guarded=False)
        elif not found.checksums:
            self._say(
                "The store refuses the checksums that S3 clients send by default. Uploads go without "
                "them; each is read back and compared."
            )
        if not found.checksums and not self._comes_back(found, b"first"):
            raise StoreError(
                "The store does not give back what was stored.",
                "Look for a proxy or gateway between here and the store that changes data, or use another "
                "store.",
            )
        if not found.guard:
            return found
        return replace(found, guard=self._guards(found))

    def _accepted(self, data: bytes) -> Abilities:
        """The first form of an upload that the store takes."""
        refusals: list[ClientError] = []
        for checksums, guard in ((True, True), (False, True), (True, False), (False, False)):
            form = Abilities(checksums, guard)
            try:
                self._put(form, data, guarded=guard)
            except ClientError as error:
                refusals.append(error)
                if not refused(error):
                    raise
            else:
                return form
        raise refusals[0]

    def _guards(self, found: Abilities) -> bool:
        try:
            self._put(found, b"second", guarded=True)
        except ClientError as error:
            if not is_taken(error) and not refused(error):
                raise
            return is_taken(error)
        return False

    def _put(self, form: Abilities, data: bytes, *, guarded: bool) -> None:
        more: Any = _ALONE if guarded else {}
        self._client(form.checksums).put_object(Bucket=self._bucket, Key=self._key, Body=data, **more)

    def _comes_back(self, form: Abilities, data: bytes) -> bool:
        answer = self._client(form.checksums).get_object(Bucket=self._bucket, Key=self._key)
        return answer["Body"].read() == data

    def _remove(self) -> None:
        try:
            self._client(False).delete_object(Bucket=self._bucket, Key=self._key)
        except (BotoCoreError, ClientError) as error:
            if code_of(error)[0] not in ("NoSuchBucket", "NoSuchKey", "InvalidAccessKeyId"):
                self._say(
                    f"The small object {self._key}, which was to show what the store can do, could not be "
                    f"deleted: {error}"
                )
