"""Public keys of age, for which backups and the binary log are encrypted."""

from __future__ import annotations

from typing import Annotated

import pyrage
from pydantic import AfterValidator, Field

from components.schema.base import Model

_WRITE = "write the public key alone: age1… as `age-keygen` prints it, or ssh-ed25519 … or ssh-rsa …"


def _recipient(text: str) -> str:
    if "SECRET-KEY" in text.upper() or "PRIVATE KEY" in text:
        raise ValueError(
            f"a private key, which nobody may read who can read the backups; {_WRITE}. Whoever has seen this"
            " file knows the private key now: make a new pair"
        )
    # The comment behind an SSH key says whose it is, and belongs to nobody else.
    plain = " ".join(text.split()[:2]) if text.startswith("ssh-") else text
    try:
        (pyrage.ssh if plain.startswith("ssh-") else pyrage.x25519).Recipient.from_str(plain)
    except pyrage.RecipientError:
        raise ValueError(f"not a public key of age; {_WRITE}") from None
    return plain


Recipient = Annotated[str, AfterValidator(_recipient)]


class Encrypted(Model):
    """Encryption of backups and of the binary log, in the cluster. A matching private key opens them."""

    recipients: Annotated[list[Recipient], Field(min_length=1, max_length=20)] = Field(
        description="Public keys (age1…, ssh-ed25519 … or ssh-rsa …). Each matching private key opens"
        " all of it. Keep two or more, in different places, and none in the cluster or the bucket."
    )
