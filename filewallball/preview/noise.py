"""What changes with every change and tells nothing: checksums, version labels, tags of own images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from filewallball.engine.showing.diff import Change
from filewallball.preview.comparing import Difference

VERSION_LABELS = frozenset({"app.kubernetes.io/version", "helm.sh/chart"})
CHECKSUM = re.compile(r"(?:sha256:|[a-z0-9-]+-)?[0-9a-f]{8,128}")
CHECKSUM_NAME = re.compile(
    r"(?:^|[./_-])(?:checksum|hash|digest|fingerprint|sha256)(?:[./_-]|$)", re.IGNORECASE
)


class Noise:
    """Tells what is folded. `project`: what own images are below; `own`: their names, wherever pushed."""

    def __init__(self, project: str, own: Iterable[str]) -> None:
        names = "|".join(re.escape(name) for name in sorted(own)) or "(?!)"
        self._tags = re.compile(
            rf"(\b{re.escape(project)}/[\w./-]*\w|/(?:{names}))(?::[\w.-]+(?:@sha256:[0-9a-f]+)?|@sha256:[0-9a-f]+)"
        )

    def is_in(self, change: Change) -> bool:
        """Whether a change of a property tells nothing."""
        before, after = change.before, change.after
        if before is None or after is None or not change.path or before == after:
            return False
        last = str(change.path[-1])
        if "labels" in change.path and last in VERSION_LABELS:
            return True
        if "annotations" in change.path and _is_checksum(before) and _is_checksum(after):
            return True
        if "annotations" in change.path and CHECKSUM_NAME.search(last):
            return True
        return self._but_for_tags(before) == self._but_for_tags(after)

    def is_all_of(self, difference: Difference) -> bool:
        """Whether nothing of a resource changes that is worth reading, its name's checksum apart."""
        return difference.op in ("update", "replace") and all(
            self.is_in(each) or (difference.moved and each.path == ("metadata", "name"))
            for each in difference.changes
        )

    def _but_for_tags(self, value: Any) -> str:
        return self._tags.sub(r"\1", json.dumps(value, sort_keys=True, ensure_ascii=False))


def _is_checksum(value: Any) -> bool:
    return isinstance(value, str) and bool(CHECKSUM.fullmatch(value))
