"""The client of an S3 store as its settings ask for it, and what its errors mean for people."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    FlexibleChecksumError,
    NoCredentialsError,
    SSLError,
)

from filewallball import proxies
from filewallball.backup.environment import NotMade
from filewallball.backup.settings import StoreSettings
from filewallball.errors import ConfigError, UserError

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0
"""How long one try may wait for the store."""
ATTEMPTS = 6
"""How often a request is made, in all; the waits between grow to at most 20 seconds."""
_STORE = "filewallball:backup.store"
_KEYS = f"the Secret that {_STORE}.credentialsSecret names"
_REGION = (
    f"The bucket is in another region or at another address. Correct {_STORE}.region and {_STORE}.endpoint."
)
_TOKEN = (
    "Temporary credentials need their session token, and last for some hours only. Write new ones into "
    f"{_KEYS}, and name the token's key in {_STORE}.sessionTokenKey."
)
_HINTS = {
    "NoSuchBucket": f"Create the bucket, or correct {_STORE}.bucket.",
    "InvalidAccessKeyId": f"The store does not know the access key. Correct it in {_KEYS}.",
    "SignatureDoesNotMatch": f"The secret key is wrong, or a proxy on the way to the store changes requests. "
    f"Compare the key with {_KEYS}.",
    "AccessDenied": "The credentials may not do this in the bucket. Allow it in the bucket's policy.",
    "ExpiredToken": _TOKEN,
    "InvalidToken": _TOKEN,
    "RequestTimeTooSkewed": "The clocks of the node and of the store differ too much. Set the wrong one.",
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "301": _REGION,
    "307": _REGION,
    "SlowDown": "The store is overloaded. Run the command again later.",
    **dict.fromkeys(
        ("507", "InsufficientStorage", "QuotaExceeded", "StorageFull", "XMinioStorageFull"),
        f"The store has no room left. Remove what is not needed there, or give it a larger volume ({_STORE}"
        ".storage for a store in the cluster).",
    ),
    "503": "The store is overloaded, or it restarts. Run the command again later.",
}
_UNREACHABLE = f"See that the store runs and that pods can reach it, or correct {_STORE}.endpoint."
_UNTRUSTED = (
    "The store's certificate is not signed by a known authority, or is for another name. For a private "
    f"authority, name its certificate in {_STORE}.ca. For another name, correct {_STORE}.endpoint."
)
_OTHER = f"See that the store runs, and check {_STORE}.endpoint, {_STORE}.region and {_KEYS}."


class StoreError(UserError):
    """The store could not be reached or refused."""


class AlreadyThere(StoreError):
    """An object of that name exists; it was left alone."""


def client(settings: StoreSettings, *, checksums: bool) -> S3Client:
    """A client of the store. `checksums`: send them with each upload, as S3 clients do by default.

    Raises ConfigError for a CA bundle that cannot be used.
    """
    from botocore.config import Config

    if settings.ca_file:
        _check_bundle(settings.ca_file)
    # Stores other than AWS seldom have a DNS name per bucket.
    addressing = settings.addressing or ("path" if settings.endpoint else "auto")
    return _session().client(  # pyright: ignore[reportUnknownMemberType] - overloads for services without stubs
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        aws_session_token=settings.session_token,
        verify=settings.ca_file,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            s3={"addressing_style": addressing},  # pyright: ignore[reportArgumentType]
            request_checksum_calculation="when_supported" if checksums else "when_required",
            # What is read is compared with the manifest's own SHA-256, whatever the store can.
            response_checksum_validation="when_required" if settings.endpoint else "when_supported",
            proxies=_proxies(settings.endpoint),
        ),
    )


def _proxies(endpoint: str | None) -> dict[str, str] | None:
    """By scheme; None leaves it to boto3, which knows AWS's names, but not ours, nor networks in NO_PROXY."""
    if endpoint is None:
        return None
    proxy = proxies.proxy_for(endpoint)
    return {urlsplit(endpoint).scheme: proxy} if proxy else {}


@cache
def _session() -> Session:
    """One for all clients: it reads the descriptions of the services, which takes a while."""
    # Not at the top: it takes a third of a second, which most commands and checks would spend for nothing.
    from boto3.session import Session

    return Session()


def _check_bundle(path: str) -> None:
    if not Path(path).exists():
        raise NotMade(
            f"There is no CA bundle {path} of the store: what {_STORE}.ca names isn't there, "
            "or has no such key.",
            f"Make it, or correct {_STORE}.ca. A pod that runs sees it after a minute or two.",
        )
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"The CA bundle {path} of the store cannot be used: {error.strerror or error}",
            f"It must hold certificates in PEM form. Correct what {_STORE}.ca names, and run `fwb up`.",
        ) from error


def code_of(error: Exception) -> tuple[str, int]:
    """The store's own code of an error and its HTTP status; empty and 0 if the store said nothing."""
    if not isinstance(error, ClientError):
        return "", 0
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code, int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_taken(error: Exception) -> bool:
    """Whether the store says that a condition on an upload did not hold."""
    code, status = code_of(error)
    return code in ("PreconditionFailed", "ConditionalRequestConflict", "412") or status in (304, 412)


def explained(error: BotoCoreError | ClientError, verb: str, key: str, where: str) -> StoreError:
    """The error as people need it. `where`: the store in words."""
    if is_taken(error):
        return AlreadyThere(f"{key} is already in {where}", "It was left as it is. Run the command again.")
    if isinstance(error, FlexibleChecksumError):
        return StoreError(f"{key} is damaged in the store, {where}: {error}", "Choose another one.")
    code, status = code_of(error)
    hint = _HINTS.get(code) or _HINTS.get(str(status)) or _OTHER
    if isinstance(error, SSLError):
        hint = _UNTRUSTED
    elif isinstance(error, EndpointConnectionError):
        hint = _UNREACHABLE
    elif isinstance(error, NoCredentialsError):
        hint = f"Name a Secret with keys in {_STORE}.credentialsSecret, or give the ServiceAccount a role."
    return StoreError(f"Cannot {f'{verb} {key} in' if key else verb} {where}: {error}", hint)
