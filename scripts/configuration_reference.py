#!/usr/bin/env python3
"""Writes docs/configuration.md from the models in settings.py; with --check, says whether it is current."""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "configuration.md"
sys.path.insert(0, str(ROOT))

from generated_page import write_or_check  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from pydantic_core import PydanticUndefined  # noqa: E402

import settings  # noqa: E402
from components import schema  # noqa: E402

INTRODUCTION = """# Configuration

<!-- Made by scripts/configuration_reference.py from settings.py; a test holds the two together. -->

This page lists every setting of a stack. You need it when you set up a stack or change one.

The settings of a stack are in the file `Pulumi.<stack>.yaml`. Write `filewallball:` in front of each key of
the first table. A setting that you leave out has its default.

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

If values are wrong, the command reports all of them at once, changes nothing, and ends with exit code 2.
For each value it says where it is (its dotted path), what was given, why it is wrong, and what to write.

When each value is right in itself, the command checks whether the values fit together. For example,
MariaDB's `bufferPool` and the `maxmemory` of Redis and Valkey must fit into their memory limits, `quorum`
must fit the number of Sentinels, and `protect` allows neither `disposable` nor images without a digest.
The ARNs below `backup.store.aws` must be of its account and region.

After the tables this page explains [volumes](#volumes), [session servers](#session-servers), [how to reach
the servers](#reaching-the-servers) and [production](#production).
"""

AFTERWORD = """
## Volumes

- **To make a volume larger**, raise `storage.size`. The StorageClass must allow it
  (`allowVolumeExpansion`).
- **To make a volume smaller**, restore a backup into a new stack. Kubernetes refuses a smaller size.
- **To use a folder of the node** (`hostPath`), first make the folder for the servers' user:

  ```console
  install -d -o 999 -g 999 -m 0700 /srv/mariadb
  ```

  The PersistentVolume `<namespace>-mariadb-data` then points at it, and keeps the server on that `node`. If
  the node is away, the server waits: on another node it would start empty. A volume's node can't be changed.
  To move the data, restore a backup into a new stack.
- **After `destroy`** the namespace, the claims and the static volumes are still there. The next `up` uses
  them again.
- **If the namespace was deleted too**, a volume with reclaim policy Retain stays in the phase *Released*,
  and still names the old claim. If the claim names the volume (`volumeName` or `hostPath`), `fwb up`
  repairs this. Otherwise type:

  ```console
  kubectl patch pv NAME --type=json -p '[{"op":"remove","path":"/spec/claimRef/uid"}]'
  ```

- **Data of an older installation** may lie in the root of the volume. Move all files into a folder `data`
  on the volume, owned by 999:999. The server says so when it finds such a volume.
- **The session servers' volumes** are `data-valkey-<n>` and `data-valkey-sentinel-<n>`. When you make the
  set smaller, the volumes of the removed servers stay. A larger set uses them again. `destroy --purge`
  deletes them.
- **The store's volume** needs a file system with extended attributes, such as ext4 or xfs.

## Session servers

[sessions.md](sessions.md) explains how the session servers work.

- **To add or remove servers or Sentinels**, change `replicas` or `sentinels` and run `fwb up`. The
  Sentinels restart one by one, then the servers, and the primary hands over first. Do it while `fwb check
  STACK valkey-quorum` is OK. Remove only two Sentinels at a time, because those that are left must be a
  majority of the old number. While one of them restarts, no fail-over is possible for a few seconds.
- **These settings restart all servers, one by one**: the image, `maxmemory`, `logLevel`, `appendOnly`,
  `savePoints`, `minReplicasMaxLag`, `replicas`, `sentinels`, `quorum`, and the agents' image. Sentinels and
  servers never restart at the same time.
- **The agents' image**: if `agent.image` and `toolkit.image` are both left out, it changes only when the
  agents' own sources change. Then a change of a check, a drill or the backup leaves the session servers
  running. If only `toolkit.image` is set, the agents run in that image and restart when it changes. So set
  `agent.image` too.
- **Memory**: the memory limit must be at least 2.25 times `maxmemory` plus 128 MiB. Valkey saves in a
  second process, and each page of memory that changes during the save is there twice.
- **Losses**: a primary takes writes only while it and its linked replicas are a majority of the servers. A
  primary that is cut off notices it after `minReplicasMaxLag` plus one to three seconds. The writes that it
  took until then are lost. A client that must know uses `WAIT`: see
  [sessions.md](sessions.md#writes-that-must-not-be-lost).
- **Quorum**: leave `quorum` out. A higher number than a majority makes fail-overs rarer, but not safer,
  because a majority must vote for each one anyway. It applies to the agents too. With `quorum: 5` of 5
  Sentinels, one lost Sentinel stops all fail-overs and handovers, and servers that restart stay closed.

## Reaching the servers

By default no pod can reach a server in the namespace. A pod needs a label for each server that it uses:

- `filewallball.io/access-mariadb: "true"`
- `filewallball.io/access-redis: "true"`
- `filewallball.io/access-valkey: "true"` (session servers and Sentinels)

If the pod is in another namespace, that namespace also needs the label `filewallball.io/client: "true"`. A
pod in the stack's own namespace can connect only to what its labels allow.

| server | user | password |
| --- | --- | --- |
| MariaDB | `filewallball_app` | `app-password` of the Secret `mariadb-credentials` |
| Redis | `app` | `app-password` of the Secret `redis-credentials` |
| session servers | none | `app-password` of the Secret `valkey-credentials` |
| Sentinels | none | `sentinel-password` of the Secret `valkey-credentials` |

The stack's outputs hold commands that print these passwords.

## Production

With `protect: true` every image must be named by its digest. Somebody can move a tag to another image, and
then a pod that restarts runs an image that nobody tested. `fwb images pin STACK` finds the digests and writes
them. Push the toolkit and the agents' image to a registry of yours with `fwb images push`, and set
`toolkit.image` and `agent.image`. A store in the cluster is refused too: if the cluster is lost, its backups
are lost with it.

A value `SET-ME` is still to be set. `render` and `preview` show the stack, and list what to write. Whatever
deploys the stack refuses it. [production.md](production.md) describes each step to a running stack.
"""


def main() -> int:
    return write_or_check(document(), TARGET, ROOT, Path(__file__).name)


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
        title = "`resources` of every container"
    if model is schema.Storage:
        title = "`mariadb.storage` and `backup.store.storage`"
    if model is schema.SetStorage:
        title = "`valkey.storage` and `valkey.sentinelStorage`"
    rows = "".join(_row(name, model) for name in model.model_fields)
    head = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
    return f"\n## {title}\n\n{inspect.getdoc(model)}\n\n{head}{rows}"


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
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
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
