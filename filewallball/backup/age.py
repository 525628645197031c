"""Dumps encrypted in the age format: for public keys that a stack names, whose private keys it never sees."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyrage

from filewallball.errors import ConfigError, UserError

MAGIC = b"age-encryption.org/v1"
"""What every age file begins with, unless it is written as text."""
Recipient = pyrage.x25519.Recipient | pyrage.ssh.Recipient
Identity = pyrage.x25519.Identity | pyrage.ssh.Identity
_CHUNK = 256 * 1024
"""Bytes that are read at a time."""
_WRITE = "It is the file that `age-keygen -o FILE` writes, or an SSH private key without a passphrase."


class NoKey(UserError):
    """An encrypted dump, and no key that opens it."""


class DecryptError(Exception):
    """Encrypted data that is damaged or cut off."""


class _Source:
    """What the library reads from: pieces that come one after another."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        while not self._left:
            try:
                self._left = next(self._pieces)
            except StopIteration:
                return b""
            except BaseException as error:
                self.error = error  # the library tells its text alone
                raise
        found, self._left = (self._left, b"") if size < 0 else (self._left[:size], self._left[size:])
        return found


def recipient(text: str) -> Recipient:
    """A public key: `age1…`, or a line as in authorized_keys. Raises ValueError with what to write."""
    try:
        return (pyrage.ssh if text.startswith("ssh-") else pyrage.x25519).Recipient.from_str(text)
    except pyrage.RecipientError:
        raise ValueError("not a public key of age") from None


def encrypted(pieces: Iterator[bytes], recipients: Sequence[str]) -> Generator[bytes]:
    """What comes in, encrypted for all recipients, piece by piece. Raises what `pieces` raises."""
    keys = [recipient(each) for each in recipients]
    yield from _through(lambda source, out: pyrage.encrypt_io(source, out, keys), pieces)


def identities(path: Path) -> list[Identity]:
    """The private keys in a file. Raises ConfigError that names the file, and nothing of its content."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"--identity: cannot read {path} ({error.strerror}).", _WRITE) from error
    return parse_identities(data, f"--identity: {path}")


def parse_identities(data: bytes, where: str) -> list[Identity]:
    """The private keys in `data`; `where` begins the message of a ConfigError."""
    if data.startswith(MAGIC) or data.startswith(b"-----BEGIN AGE ENCRYPTED FILE"):
        raise ConfigError(
            f"{where} is itself encrypted.", "Decrypt it first: `age --decrypt -o KEY FILE`. Then name KEY."
        )
    try:
        if b"PRIVATE KEY-----" in data:
            return [pyrage.ssh.Identity.from_buffer(data)]
        lines = [line.strip() for line in data.decode("ascii").splitlines()]
        found: list[Identity] = [
            pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")
        ]
    except (pyrage.IdentityError, UnicodeDecodeError):
        found = []
    if not found:
        public = b"age1" in data or data.startswith(b"ssh-")
        why = "holds a public key, and a private one is needed" if public else "holds no private key of age"
        raise ConfigError(f"{where} {why}.", _WRITE)
    return found


def check_opens(keys: Sequence[Identity], recipients: Sequence[str], name: str) -> None:
    """Raise NoKey if a dump for these recipients is sure not to open with these keys."""
    if not recipients or any(isinstance(key, pyrage.ssh.Identity) for key in keys):
        return
    if not {str(key.to_public()) for key in keys if isinstance(key, pyrage.x25519.Identity)} & {*recipients}:
        raise no_key(name, recipients, given=bool(keys))


def no_key(name: str, recipients: Sequence[str], *, given: bool) -> NoKey:
    """The error of a dump that does not open. `given`: whether there was any key."""
    why = "the key that was given is not one of theirs" if given else "no private key was given"
    return NoKey(
        f"{name} is encrypted for {', '.join(recipients) or 'somebody'}, and {why}.",
        "Name the file of the matching private key with --identity FILE. Nothing has been changed.",
    )


def decrypted(pieces: Iterator[bytes], keys: Sequence[Identity]) -> Generator[bytes]:
    """What was encrypted, piece by piece. Raises NoKey, DecryptError, and what `pieces` raises."""
    if not keys:
        raise no_key("The dump", (), given=False)
    try:
        yield from _through(lambda source, out: pyrage.decrypt_io(source, out, list(keys)), pieces)
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise no_key("The dump", (), given=True) from error
        raise DecryptError(str(error)) from error
    except _Told as error:
        raise DecryptError(str(error)) from error


class _Told(OSError):
    """What the library says of the data; it has no other class for it."""


def _through(work: Callable[[Any, Any], object], pieces: Iterator[bytes]) -> Generator[bytes]:
    """What `work` makes of the pieces, as it comes: it reads and writes in a thread of its own."""
    reading, writing = os.pipe()
    source, failed = _Source(pieces), list[BaseException]()

    def run() -> None:
        try:
            with os.fdopen(writing, "wb", _CHUNK) as out:
                work(source, out)
        except BaseException as error:  # noqa: BLE001 - handed over to the reader
            failed.append(error)

    thread = threading.Thread(target=run, name="age", daemon=True)
    thread.start()
    try:
        with os.fdopen(reading, "rb", 0) as made:
            while piece := made.read(_CHUNK):
                yield piece
    finally:
        thread.join()
    if source.error:
        raise source.error
    for error in failed:
        if isinstance(error, OSError) and error.errno is None:
            raise _Told(str(error)) from error
        raise error
