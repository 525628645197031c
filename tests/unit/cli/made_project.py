"""A small project with a stack, and values sealed as `pulumi config set --secret` seals them."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from filewallball.project import crypter

ROOT = Path(__file__).parents[3]
PARTS = (
    "Pulumi.yaml",
    "__main__.py",
    "settings.py",
    "components",
    "images",
    "filewallball",
    "pyproject.toml",
)
PHRASE = "열려라 참깨"
MINIMAL = """config:
  filewallball:cluster: {context: nowhere, kubeconfig: /nowhere/kubeconfig}
  filewallball:backup: {store: {inCluster: true}}
"""


class Sealer:
    """Seals values for one stack."""

    def __init__(self) -> None:
        salt = os.urandom(8)
        rounds = crypter.ROUNDS
        self._cipher = AESGCM(hashlib.pbkdf2_hmac("sha256", PHRASE.encode(), salt, rounds, 32))
        self.salt = f"v1:{base64.b64encode(salt).decode()}:{self.seal('pulumi')}"

    def seal(self, text: str) -> str:
        nonce = os.urandom(12)
        sealed = self._cipher.encrypt(nonce, text.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def secure(self, text: str) -> str:
        """As it stands in a file."""
        return f"{{secure: '{self.seal(text)}'}}"


def project(folder: Path, text: str | bytes = MINIMAL, stack: str = "dev") -> Path:
    """The program of this repository in a folder of its own, with the file of one stack."""
    for part in PARTS:
        if not (folder / part).exists():
            (folder / part).symlink_to(ROOT / part)
    data = text if isinstance(text, bytes) else text.encode()
    (folder / f"Pulumi.{stack}.yaml").write_bytes(data)
    return folder


def fwb(
    *arguments: str | bytes, folder: Path, environment: dict[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    python = [sys.executable, "-m", "filewallball.cli"]
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "FWB_"))}
    return subprocess.run(
        [*python, *arguments],
        cwd=folder,
        env={**plain, "KUBECONFIG": "", "PYTHONPATH": str(ROOT), **(environment or {})},
        check=False,
        timeout=120,
        **{"capture_output": True, **more},
    )
