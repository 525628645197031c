#!/usr/bin/env python3
"""Writes docs/configuration.md from the models in settings.py; with --check, says whether it is current."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "configuration.md"
sys.path.insert(0, str(ROOT))

from pydantic import BaseModel  # noqa: E402
from pydantic_core import PydanticUndefined  # noqa: E402

import settings  # noqa: E402
from components import schema  # noqa: E402

INTRODUCTION = """# Configuration

<!-- Made by scripts/configuration_reference.py from settings.py; a test holds the two together. -->

A stack is a file `Pulumi.<stack>.yaml`. Its keys are those of the first table below, each with
`filewallball:` in front; what is left out has the default. All wrong values are reported together, each
with its dotted path, what was given, why it is wrong and what to write, and then nothing is changed (exit
code 2). Whether values fit together is looked at once each is right by itself.

```yaml
config:
  filewallball:cluster:
    context: my-cluster
  filewallball:mariadb:
    storage:
      size: 20Gi
  filewallball:backup:
    store:
      bucket: my-backups
      region: eu-central-1
```

Values across keys are checked too: MariaDB's `bufferPool` and the `maxmemory` of Redis and Valkey against
their memory limits, the quorum against the number of Sentinels, `protect` against `disposable` and against
images without a digest.
"""

AFTERWORD = """
## Volumes

- **Growing**: raise `storage.size`; the StorageClass must allow it (`allowVolumeExpansion`). A volume
  never shrinks: Kubernetes refuses a smaller size and says so. To shrink, restore a backup into a new
  stack.
- **A folder of the node** (`hostPath`): make it first and give it to the servers' user, `install -d -o
  999 -g 999 -m 0700 /srv/mariadb`. The PersistentVolume `<namespace>-mariadb-data` points at it, and holds
  the server to that `node`: while the node is away the server waits, rather than start empty elsewhere. A
  volume's node can't be changed; to move the data, restore a backup into a new stack.
- **After `destroy`** the namespace, the claims and static volumes are still there, and the next `up`
  takes them over.
- **When the namespace is gone too**, a volume with reclaim policy Retain is left in the phase *Released*,
  still naming the old claim. `fwb up` clears that where the claim names the volume (`volumeName`, or
  `hostPath`); by hand it is `kubectl patch pv NAME --type=json -p
  '[{"op":"remove","path":"/spec/claimRef/uid"}]'`.
- **Data of an older installation** whose files lie in the root of the volume: move all of them into a
  folder `data` on it, owned by 999:999; the server says so when it finds such a volume.
- **The session servers' volumes** are `data-valkey-<n>` and `data-valkey-sentinel-<n>`. Those that a smaller
  set leaves over stay too: a larger one takes them up again, and `destroy --purge` deletes them.
- The store's volume needs a file system with extended attributes, as ext4 and xfs have.

## Session servers

- **Growing and shrinking**: change `replicas` or `sentinels` and run `fwb up`. The Sentinels restart one by
  one, then the servers, the primary's place being handed over first. Do it while `fwb check STACK
  valkey-quorum` is good, and take away two Sentinels at a time: those left over must be a majority of the old
  number. While one of them restarts nothing can fail over, a few seconds each.
- **A restart** of all servers, one by one, comes with a change of the image, `maxmemory`, `logLevel`,
  `appendOnly`, `savePoints`, `minReplicasMaxLag`, `replicas`, `sentinels`, `quorum`, and the agents' image.
  Where `agent.image` and `toolkit.image` are both left out, it changes with the agents' own sources alone: a
  change of a check, a drill or the backup leaves the session servers running. Where only `toolkit.image` is
  set, the agents run in it, and restart with it: set `agent.image` too. Sentinels and servers never restart
  at the same time.
- **Memory**: a save forks, and while it runs each page that is written to is there twice. The memory limit
  must be 2.25 times `maxmemory` and 128 MiB.
- **Losses**: a primary takes writes only while it and the replicas in touch are a majority of the servers.
  One that is cut off notices after `minReplicasMaxLag` and one to three seconds; what it took until then is
  lost. A client that must know uses `WAIT`: see [sessions.md](sessions.md).
- **A quorum** above a majority makes failovers rarer, not safer: a majority must vote for each anyway. It
  also binds the agents: with `quorum: 5` of 5, one lost Sentinel stops failovers and handovers and keeps
  restarted servers closed. Leave it out.

## Reaching the servers

Nothing in the namespace can be reached unless a pod asks for it by label:
`filewallball.io/access-mariadb: "true"`, `filewallball.io/access-redis: "true"` and
`filewallball.io/access-valkey: "true"` (servers and Sentinels). A pod in another namespace needs the label
too, and its namespace `filewallball.io/client: "true"`. A pod of yours in the namespace itself reaches
nothing but what its labels open. The application logs in as `filewallball_app` with
`app-password` of the Secret `mariadb-credentials`, to Redis as the user `app` with `app-password` of
`redis-credentials`, to the session servers without a user's name with `app-password` of
`valkey-credentials`, and to their Sentinels with its `sentinel-password`; stack outputs give the commands
that print them.

## Production

`protect: true` refuses image tags without a digest: a tag can be moved, and then a restarted pod runs
what nobody tested. The command that prints the digest stands in the message. The toolkit and
the agents' image must be pushed to a registry of yours: `toolkit.image`, `agent.image`.
"""


def main() -> int:
    text = document()
    if "--check" in sys.argv:
        current = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        print("current" if current else f"{TARGET.relative_to(ROOT)} is stale: run {Path(__file__).name}")
        return 0 if current else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


def document() -> str:
    """The whole page."""
    sections = [
        INTRODUCTION,
        *(_section(path, model) for path, model in _models("", settings.Settings)),
        AFTERWORD,
    ]
    return "".join(sections)


def _models(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        inner = _inner(field.annotation)
        key = f"{path}.{field.alias or name}".lstrip(".")
        # One table for what every container has; its defaults stand in the parents' tables.
        if inner and not (inner is schema.Resources and key != "mariadb.resources"):
            if inner is schema.Storage and key != "mariadb.storage":
                continue
            if inner is schema.SetStorage and key != "valkey.storage":
                continue
            yield from _models(key, inner)


def _section(path: str, model: type[BaseModel]) -> str:
    title = f"`{path}`" if path else "Keys of a stack"
    if model is schema.Resources:
        title = "`….resources`"
    if model is schema.Storage:
        title = "`….storage`"
    if model is schema.SetStorage:
        title = "`valkey.storage` and `valkey.sentinelStorage`"
    rows = "".join(_row(name, model) for name in model.model_fields)
    head = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
    return f"\n## {title}\n\n{model.__doc__}\n\n{head}{rows}"


def _row(name: str, model: type[BaseModel]) -> str:
    field = model.model_fields[name]
    limits = [str(item) for item in field.metadata if type(item).__name__ in {"Ge", "Le", "Gt", "Lt"}]
    kind = _kind(field.annotation) + (f" ({_limits(limits)})" if limits else "")
    return f"| `{field.alias or name}` | {kind} | {_default(field.default)} | {field.description} |\n"


def _limits(limits: list[str]) -> str:
    signs = {"Ge(ge=": "≥ ", "Le(le=": "≤ ", "Gt(gt=": "> ", "Lt(lt=": "< "}
    return ", ".join(
        next(text.replace(start, sign).rstrip(")") for start, sign in signs.items() if text.startswith(start))
        for text in limits
    )


def _kind(annotation: Any) -> str:
    if get_origin(annotation) in (Union, types.UnionType):
        return _kind(next(a for a in get_args(annotation) if a is not type(None)))
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return "text"
    if _inner(annotation):
        return "mapping"
    if get_origin(annotation) is dict:
        return "mapping of text"
    if get_origin(annotation) is list:
        return f"list of {_kind(get_args(annotation)[0])}s".replace("texts", "text")
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[annotation]


def _inner(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "**required**"
    if value is None:
        return ""
    if isinstance(value, schema.Resources):
        return f"`{value.cpu}` CPU, `{value.memory}` to `{value.memory_limit}`"
    if isinstance(value, (schema.Storage, schema.SetStorage)):
        return f"`{value.size}`"
    return "see below" if isinstance(value, BaseModel) else f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    sys.exit(main())
