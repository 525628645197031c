"""The environment of a job, read variable by variable; all that is wrong with it is told together."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from facts import mariadb, snapshots, store, tls
from facts.backup import Variables
from facts.units import quantity_bytes
from filewallball.backup import age
from filewallball.errors import ConfigError

_STORE = "filewallball:backup.store"
SETTINGS = {
    store.Variables.BUCKET: f"{_STORE}.bucket",
    store.Variables.PREFIX: f"{_STORE}.prefix",
    store.Variables.REGION: f"{_STORE}.region",
    store.Variables.ENDPOINT: f"{_STORE}.endpoint",
    store.Variables.ACCESS_KEY_FILE: f"{_STORE}.credentialsSecret",
    store.Variables.SECRET_KEY_FILE: f"{_STORE}.credentialsSecret",
    store.Variables.SESSION_TOKEN_FILE: f"{_STORE}.sessionTokenKey",
    store.Variables.CA_FILE: f"{_STORE}.ca",
    store.Variables.ADDRESSING: f"{_STORE}.addressing",
    tls.Variables.CA_FILE: "filewallball:tls.enabled",
    Variables.KEEP_DAYS: "filewallball:backup.keepDays",
    Variables.COMPRESSION: "filewallball:backup.compression",
    Variables.RECIPIENTS: "filewallball:backup.encryption.recipients",
    Variables.RATE: "filewallball:backup.rate",
    Variables.DEADLINE_SECONDS: "filewallball:backup.deadlineMinutes",
    Variables.WORK_SIZE: "filewallball:backup.workSize or filewallball:valkey.snapshots.workSize",
    snapshots.Variables.KEEP: "filewallball:valkey.snapshots.keep",
}
"""The setting that each variable is made from."""


class NotMade(ConfigError):
    """What only the user can make in the namespace isn't there, or not yet."""


def keys_there(*paths: str | None) -> None:
    """See that each file with a key of the store is there. Raises NotMade."""
    for path in map(Path, filter(None, paths)):
        if not path.exists():
            raise NotMade(
                f"There is no Secret {path.parent.name} with the key {path.name}, which the store needs "
                f"({_STORE}.credentialsSecret).",
                f"Make it: `kubectl -n NAMESPACE create secret generic {path.parent.name} --from-literal="
                f"{store.ACCESS_KEY}=KEY --from-literal={store.SECRET_KEY}=SECRET`. A pod that runs sees it "
                "after a minute or two.",
            )


class Reader:
    """Reads variables one by one and keeps what is wrong for one error at the end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._wrong: list[str] = []
        self._not_made: NotMade | None = None

    def wrong(self, name: str, why: str) -> None:
        """Note that a variable is wrong, with the setting that it is made from, if it is made from one."""
        setting = SETTINGS.get(name)
        message = f"{name}: {why}" + (f" ({setting})" if setting else "")
        if message not in self._wrong:
            self._wrong.append(message)

    def finish(self) -> None:
        if self._wrong:
            raise ConfigError(
                "The environment of this program is wrong:\n"
                + "\n".join(f"  - {line}" for line in self._wrong),
                "Nothing has been changed. Correct the settings in brackets, from which these variables are "
                "written, and run `fwb up`.",
            )
        if self._not_made:
            raise self._not_made

    def text(self, name: str) -> str:
        value = self.environment.get(name, "")
        if not value:
            self.wrong(name, "not set")
        return value

    def port(self, name: str) -> int:
        value = self.environment.get(name) or str(mariadb.PORT)
        if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
            self.wrong(name, f"{value!r} is not a port number (1 to 65535)")
            return 0
        return int(value)

    def url(self, name: str) -> str | None:
        value = self.environment.get(name) or None
        if value is not None and not re.match(r"https?://[^/]+", value):
            self.wrong(name, f"{value!r} is not a URL; write http://HOST:PORT or https://HOST")
        return value

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        value = self.environment.get(name) or None
        if value is not None and value not in allowed:
            self.wrong(name, f"{value!r} is not one of {', '.join(allowed)}")
        return value

    def secret(self, name: str, *, required: bool = True) -> str | None:
        path = self.environment.get(name, "")
        if not path:
            if required:
                self.wrong(name, "not set; it names the file that holds the secret")
            return None
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.wrong(name, f"cannot read {path} ({getattr(error, 'strerror', None) or 'not UTF-8 text'})")
            return ""
        if not value:
            self.wrong(name, f"{path} is empty")
        return value

    def key(self, name: str) -> str | None:
        """A key of the store, if the variable is set. One that is missing is told when all else is right."""
        try:
            keys_there(self.environment.get(name))
        except NotMade as error:
            self._not_made = error
            return ""
        return self.secret(name, required=False)

    def file(self, name: str) -> str | None:
        """The path of a file that can be read, if the variable is set."""
        path = self.environment.get(name) or None
        if path and not os.access(path, os.R_OK):
            self.wrong(name, f"cannot read {path}")
        return path

    def count(self, name: str, missing: int) -> int:
        """A whole number of 1 or more; `missing` if the variable is not set."""
        value = self.environment.get(name, "").strip() or str(missing)
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            self.wrong(name, f"{value!r} is not a whole number of 1 or more")
            return missing
        return int(value)

    def directory(self, name: str) -> Path:
        value = self.text(name)
        if value and not Path(value).is_dir():
            self.wrong(name, f"{value} is not a directory")
        return Path(value)

    def recipients(self, name: str) -> tuple[str, ...]:
        """Public keys of age, one a line."""
        found = tuple(line.strip() for line in self.environment.get(name, "").splitlines() if line.strip())
        for each in found:
            try:
                age.recipient(each)
            except ValueError as error:
                self.wrong(name, f"{'a line' if 'PRIVATE' in each or 'SECRET' in each else each} is {error}")
        return found

    def size(self, name: str) -> int | None:
        value = self.environment.get(name)
        if not value:
            return None
        size = quantity_bytes(value)
        if size is None:
            self.wrong(
                name, f"{value!r} is not a size; write it as Kubernetes does, such as 2Gi, 500Mi or 1000000"
            )
        return size
