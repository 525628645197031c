"""Certificates as the stack's own program makes them, in folders as pods have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from facts.tls import CA, CERTIFICATE, KEY
from filewallball.certificates import authority, leaf
from filewallball.certificates.authority import Authority
from filewallball.certificates.leaf import Names


class Certificates:
    """One authority. `write(folder, …)` puts a new certificate there, all files at once, as in a pod."""

    def __init__(self) -> None:
        self.authority = Authority(authority.made("test", datetime.now(UTC)))
        self._written = 0

    def write(
        self,
        folder: Path,
        *addresses: str,
        dns: tuple[str, ...] = ("localhost",),
        age: timedelta = timedelta(0),
    ) -> int:
        """A certificate for these addresses, made so long ago. Returns its serial number."""
        pair = leaf.made(
            folder.name, Names.of(dns, addresses), self.authority.signing, datetime.now(UTC) - age
        )
        self._written += 1
        versions = folder / f"..{self._written}"
        versions.mkdir(parents=True)
        for name, content in (
            (CERTIFICATE, pair.certificate_pem),
            (KEY, pair.key_pem),
            (CA, self.authority.bundle),
        ):
            (versions / name).write_bytes(content)
            (versions / name).chmod(0o644)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")
        (folder / "..new").symlink_to(versions.name)
        (folder / "..new").replace(folder / "..data")
        return pair.certificate.serial_number
