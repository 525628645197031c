"""Where backups lie: a bucket, or a folder of this machine. Nothing that is there is ever overwritten."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filewallball.backup.settings import StoreSettings
from filewallball.errors import ConfigError, UserError
from filewallball.stability.local import Local

if TYPE_CHECKING:
    from boto3.session import Session

    from filewallball.backup.store import Store

_S3 = "s3://"
_HINT = (
    "See S3_URI and AWS_PROFILE in .env.local, and that the profile may list, read, write and remove there."
)


class Place(Protocol):
    """Objects by key. Every method raises UserError."""

    @property
    def where(self) -> str: ...

    def put(self, key: str, data: bytes) -> None:
        """Store an object. One of that key that is there stays as it is."""
        ...

    def get(self, key: str) -> bytes | None: ...

    def sizes(self, under: str = "") -> dict[str, int]:
        """Every object below a folder, by its whole key, with its size in bytes."""
        ...

    def delete(self, key: str) -> None: ...


def place(local: Local, folder: Path, given: str | None, say: Callable[[str], None]) -> Place:
    """The store that S3_URI names, or `given`: an s3:// address or a folder. Raises ConfigError."""
    if given and not given.startswith(_S3):
        if "://" in given:
            raise ConfigError(
                f"--store {given} is neither s3:// nor a folder", "Write s3://BUCKET/PATH or a folder's path."
            )
        return Folder(folder / Path(given).expanduser())
    named = replace(local, variables={**local.variables, "S3_URI": given}) if given else local
    bucket = named.bucket()
    return Bucket(bucket.name, bucket.prefix, bucket.profile, local.variables, say)


class Folder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.where = str(path)

    def put(self, key: str, data: bytes) -> None:
        with _of_file(self.where):
            path = self._path / key
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                part.write_bytes(data)
                with suppress(FileExistsError):
                    os.link(part, path)
            finally:
                part.unlink(missing_ok=True)

    def get(self, key: str) -> bytes | None:
        with _of_file(self.where):
            try:
                return (self._path / key).read_bytes()
            except FileNotFoundError:
                return None

    def sizes(self, under: str = "") -> dict[str, int]:
        with _of_file(self.where):
            files = (path for path in (self._path / under).rglob("*") if path.is_file())
            return {
                str(path.relative_to(self._path)): path.stat().st_size
                for path in sorted(files)
                if not path.name.startswith(".")
            }

    def delete(self, key: str) -> None:
        with _of_file(self.where):
            (self._path / key).unlink(missing_ok=True)


class Bucket:
    """A bucket of AWS, or of another store where AWS_ENDPOINT_URL_S3 or the profile names its address."""

    def __init__(
        self,
        name: str,
        prefix: str,
        profile: str | None,
        variables: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        from filewallball.backup.store import Store

        session = _session(profile, variables)
        settings = _settings(session, name, f"{prefix}/" if prefix else "", variables)
        self.where = settings.where
        with _of_store():
            # Credentials of a profile may be renewed while a backup runs, which only its own client can.
            client = None if settings.endpoint else session.client("s3", region_name=settings.region)  # pyright: ignore[reportUnknownMemberType]
            self._store: Store = Store(settings, client)
            self._store.check()
            self._store.learn(say)
        self._settings = settings
        self._client: Any = client

    def put(self, key: str, data: bytes) -> None:
        from filewallball.backup.store import AlreadyThere

        with _of_store(), suppress(AlreadyThere):
            self._store.put(data, key)

    def get(self, key: str) -> bytes | None:
        from filewallball.backup.store import StoreError

        with _of_store():
            try:
                return self._store.get(key)
            except StoreError:
                if self._store.exists(key):
                    raise
                return None

    def sizes(self, under: str = "") -> dict[str, int]:
        from filewallball.backup.store import Store

        with _of_store():
            deeper = Store(replace(self._settings, prefix=self._settings.prefix + under), self._client)
            return {under + each.key: each.size for each in deeper.list()}

    def delete(self, key: str) -> None:
        with _of_store():
            self._store.delete(key)


def _session(profile: str | None, variables: Mapping[str, str]) -> Session:
    from boto3.session import Session
    from botocore.exceptions import BotoCoreError

    try:
        return Session(
            # Keys in the environment are for this command, and win; boto3 would take the profile's.
            profile_name=None if "AWS_ACCESS_KEY_ID" in variables else profile,
            aws_access_key_id=variables.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=variables.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=variables.get("AWS_SESSION_TOKEN"),
        )
    except BotoCoreError as error:
        raise ConfigError(
            f"AWS_PROFILE {profile} cannot be used: {error}",
            "Write the name of a profile of ~/.aws/credentials or ~/.aws/config into .env.local.",
        ) from error


def _settings(session: Any, name: str, prefix: str, variables: Mapping[str, str]) -> StoreSettings:
    profile: dict[str, Any] = session._session.get_scoped_config()
    endpoint = (
        variables.get("AWS_ENDPOINT_URL_S3")
        or variables.get("AWS_ENDPOINT_URL")
        or profile.get("endpoint_url")
    )
    region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or session.region_name
    if not endpoint:
        return StoreSettings(name, prefix, region=region)
    found = session.get_credentials()
    keys = found.get_frozen_credentials() if found else None
    return StoreSettings(
        name,
        prefix,
        endpoint,
        region or "us-east-1",
        keys.access_key if keys else None,
        keys.secret_key if keys else None,
        keys.token if keys else None,
        variables.get("AWS_CA_BUNDLE") or profile.get("ca_bundle"),
    )


@contextmanager
def _of_store() -> Generator[None]:
    from filewallball.backup.store import StoreError

    try:
        yield
    except StoreError as error:
        raise UserError(error.message, _HINT) from error


@contextmanager
def _of_file(where: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The folder {where} cannot be used: {error}", "See that it has room and may be written to."
        ) from error
