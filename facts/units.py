"""How Kubernetes, Redis and Valkey write sizes."""

from __future__ import annotations

import re
from typing import Final

QUANTITY_UNITS: Final = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip
MEMORY_UNITS: Final = {
    "": 1, "b": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30,
}  # fmt: skip
"""Redis and Valkey count kb, mb and gb in powers of two and k, m and g in powers of ten."""
_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(Ki|Mi|Gi|Ti|k|M|G|T|)", re.ASCII)
_MEMORY = re.compile(r"(\d{1,18})([a-z]*)", re.ASCII)


def quantity_bytes(text: str) -> int | None:
    """The bytes that a Kubernetes quantity such as `512Mi` or `1.5G` means; None if it is none."""
    match = _QUANTITY.fullmatch(text)
    return int(float(match[1]) * QUANTITY_UNITS[match[2]]) if match else None


def memory_bytes(text: str) -> int | None:
    """The bytes that a memory size such as `256mb` means to Redis or Valkey; None if it is none."""
    match = _MEMORY.fullmatch(text.lower())
    return int(match[1]) * MEMORY_UNITS[match[2]] if match and match[2] in MEMORY_UNITS else None
