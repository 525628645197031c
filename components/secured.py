"""What encrypted connections change in the servers' files: lines that are added, words that are others.

The files themselves stay as they are read in components/files, for stacks without encryption.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.kube import FILES
from facts import mariadb, redis, valkey
from facts.tls import CA, file_of

_ADDED = {
    mariadb.NAME: ("my.cnf",),
    redis.NAME: (redis.CONF,),
    valkey.NAME: (valkey.CONF, "sentinel.conf"),
}
"""Files of components/files/tls whose lines follow those of the same name: the last of two lines holds."""
_MORE = {mariadb.NAME: ("tls-start.sh",), valkey.NAME: ("sentinel-tls.sh",)}
"""Files of components/files/tls that come along."""


def _cli(server: str) -> str:
    return f"--tls --cacert {file_of(server, CA)}"


_OTHER = {
    mariadb.NAME: {"start.sh": ("skip-ssl", f"ssl-ca={file_of(mariadb.NAME, CA)}")},
    redis.NAME: {"probe.sh": ("redis-cli -h", f"redis-cli {_cli(redis.NAME)} -h")},
    valkey.NAME: {"sentinel-probe.sh": ("valkey-cli -h", f"valkey-cli {_cli(valkey.SENTINEL)} -h")},
}
"""File → words that stand in it once, and what stands there with encryption."""


def secured(server: str, files: Mapping[str, str]) -> dict[str, str]:
    """The files of a server that takes encrypted connections alone."""
    result = dict(files)
    for name in _ADDED[server]:
        result[name] += _text(name)
    for name in _MORE.get(server, ()):
        result[name] = _text(name)
    for name, (words, others) in _OTHER[server].items():
        if result[name].count(words) != 1:
            raise ValueError(f"components/files/{server}/{name}: {words!r} must stand in it exactly once")
        result[name] = result[name].replace(words, others)
    return result


def _text(name: str) -> str:
    return (FILES / "tls" / name).read_text(encoding="utf-8")
