"""Names and types that users give their files: what is kept of them, and how a header says them."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

LONGEST = 255
UNKNOWN_TYPE = "application/octet-stream"
SHOWN = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "video/mp4",
        "video/webm",
        "audio/mpeg",
        "audio/mp4",
        "audio/ogg",
    }
)
"""What a browser may show in place: types that can't hold a script."""
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}")
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def clean_name(given: str) -> str:
    """A name for people: the last part of a path, in one line, without characters that can't be seen.

    It is never a name in the store or on a disk.
    """
    text = unicodedata.normalize("NFC", given.encode("utf-8", "replace").decode())
    text = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    text = "".join(each for each in text if unicodedata.category(each) not in _INVISIBLE)
    text = " ".join(text.split()).strip()
    if not text.strip("."):
        return "file"
    if len(text) <= LONGEST:
        return text
    stem, dot, ending = text.rpartition(".")
    keep = dot + ending if stem and len(ending) <= 20 else ""
    return text[: LONGEST - len(keep)] + keep


def clean_type(given: str | None) -> str:
    """The media type without its parameters; that of plain bytes for anything else."""
    found = (given or "").partition(";")[0].strip()
    return found.lower() if _TYPE.fullmatch(found) else UNKNOWN_TYPE


def disposition(name: str, *, inline: bool = False) -> str:
    """The header Content-Disposition (RFC 6266; the name by RFC 8187, and as ASCII for old clients)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^\w .()+,=@-]|[\r\n]", "_", plain).strip() or "file"
    if plain.startswith("."):
        plain = f"file{plain}"
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
