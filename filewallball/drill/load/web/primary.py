"""Who is the primary of the session servers, by the word of a Sentinel."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, cast

from facts.pods import password_key, secret_file
from facts.tls import CA_FILE
from facts.valkey import CREDENTIALS, MASTER
from filewallball.drill.load.resp import Connection

ANSWER_SECONDS = 1.0


def primary(body: dict[str, Any]) -> dict[str, Any]:
    """`body`: name → [host, port] of the `members` and of the `sentinels`. Raises LookupError."""
    names = {str(host): name for name, (host, _) in body["members"].items()}
    password = Path(secret_file(CREDENTIALS, password_key("sentinel"))).read_text(encoding="utf-8").strip()
    authority = CA_FILE if Path(CA_FILE).exists() else None
    for host, port in body["sentinels"].values():
        with (
            contextlib.suppress(OSError),
            contextlib.closing(Connection((host, port), ANSWER_SECONDS, authority)) as sentinel,
        ):
            sentinel.call("AUTH", password)
            found: Any = sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
            if isinstance(found, list) and (name := names.get(str(cast("list[Any]", found)[0]))):
                return {"primary": name}
    raise LookupError("no Sentinel names a primary that is a member")
