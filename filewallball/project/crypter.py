"""Reads `secure:` values of the passphrase provider.

The format is Pulumi's (sdk/go/common/resource/config/crypt.go and pkg/secrets/passphrase of pulumi/pulumi):
`v1:<nonce>:<ciphertext>`, AES-256-GCM, the key by PBKDF2-SHA256 with 1,000,000 rounds; `encryptionsalt` is
`v1:<salt>:` and the word "pulumi" encrypted, which tells a wrong passphrase.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from pathlib import Path

from filewallball.errors import ConfigError

ROUNDS = 1_000_000
"""Rounds of PBKDF2. The Pulumi CLI uses as many."""
VERIFIER = "pulumi"


class Decrypter:
    """One stack's key. Making it takes half a second by design, so make it only where a value needs it."""

    def __init__(self, salt_state: str, passphrase: bytes) -> None:
        version, _, rest = salt_state.partition(":")
        salt, _, verifier = rest.partition(":")
        malformed = ConfigError(
            "The stack's encryptionsalt is malformed.", "Take it back from version control."
        )
        if version != "v1" or not verifier:
            raise malformed
        try:
            key = _key(passphrase, base64.b64decode(salt, validate=True), ROUNDS)
        except ValueError:
            raise malformed from None
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)
        try:
            matches = self.decrypt(verifier) == VERIFIER
        except ConfigError:
            matches = False
        if not matches:
            raise ConfigError(
                "The passphrase does not open this stack's secrets.",
                "Set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE, to the right one.",
            )

    def decrypt(self, text: str) -> str:
        """The plain value. Raises ConfigError; never says what the value was."""
        from cryptography.exceptions import InvalidTag

        version, _, rest = text.partition(":")
        nonce, _, sealed = rest.partition(":")
        try:
            if version == "v1" and sealed:
                return self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()
        except (InvalidTag, ValueError):
            pass
        raise ConfigError(
            "A secure value cannot be decrypted.", "Write it again with `pulumi config set --secret`."
        )


@functools.lru_cache(maxsize=4)
def _key(passphrase: bytes, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase, salt, rounds, 32)


def is_set() -> bool:
    """Whether there is a passphrase, be it the right one or not; the empty one is one."""
    by_file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    return os.environ.get("PULUMI_CONFIG_PASSPHRASE") is not None or bool(by_file)


def passphrase() -> bytes:
    """The passphrase from where the Pulumi CLI looks for it. Raises ConfigError where it is not set.

    As bytes: the locale decides what text they are, and must not decide whether a stack opens.
    """
    given = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    if given is not None:
        return os.fsencode(given)
    path = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if not path:
        raise ConfigError(
            "The stack has secure values, and no passphrase is set.",
            "Set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE.",
        )
    try:
        return Path(path).read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            f"PULUMI_CONFIG_PASSPHRASE_FILE cannot be read: {error.strerror}: {path}",
            "Name a file that you may read.",
        ) from None
