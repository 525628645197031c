"""What a component says of itself, so that what folds over all components names none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi

from components import pods
from facts.checks import Section
from facts.pods import secret_folder

if TYPE_CHECKING:
    from components import kinds


@dataclass(frozen=True)
class Image:
    """An image that a component runs, and the dotted path of the setting that names it."""

    setting: str
    reference: str

    @property
    def name(self) -> str:
        """What outputs call it: `store` of `backup.store.image`."""
        return self.setting.removesuffix(".image").rpartition(".")[2]


@dataclass(frozen=True)
class Right:
    """What an account may do to one kind of object of the namespace; with `names`, to those alone."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecretFiles:
    """Keys of a Secret (none named: all) as files in a folder, from a volume of this name.

    `optional`: a pod starts before the Secret is there. It is so with what the user makes in the namespace,
    which is there only after the first deployment.
    """

    volume: str
    secret: str
    keys: tuple[str, ...] = ()
    folder: str = ""
    """Left out: facts.pods.secret_folder."""
    optional: bool = False

    @property
    def path(self) -> str:
        """Where a pod has them."""
        return self.folder or secret_folder(self.secret)

    def source(self) -> kinds.Volume:
        """The pod's volume."""
        return pods.secret_volume(self.volume, self.secret, self.keys, optional=self.optional)


@dataclass(frozen=True)
class ConfigFiles:
    """A ConfigMap as files in a folder, from a volume of this name; `optional` as with SecretFiles."""

    volume: str
    config_map: str
    path: str
    optional: bool = False

    def source(self) -> kinds.Volume:
        """The pod's volume."""
        return pods.config_volume(self.volume, self.config_map, optional=self.optional)


Mounted = SecretFiles | ConfigFiles


@dataclass(frozen=True)
class Checked:
    """What the checks of a component are told, and what their pod needs for them.

    `access`: servers whose label it carries. `harmful`: rights that only a disposable stack gives.
    `files`: name → text of configuration that they compare. `room`: bytes that they unpack at a time.
    `annotations`: on the account that they run under.
    `minutes`: what they may take beyond the few that all checks take together.
    """

    section: Section
    access: tuple[str, ...] = ()
    rights: tuple[Right, ...] = ()
    harmful: tuple[Right, ...] = ()
    secrets: tuple[Mounted, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    room: int = 0
    minutes: int = 0


@dataclass(frozen=True)
class Address:
    """A Service and a port of it."""

    service: str
    port: int


@dataclass(frozen=True)
class Password:
    """A key of a Secret."""

    secret: str
    key: str


@dataclass(frozen=True)
class Outputs:
    """What users of the stack are told of a component, by the names under which they look for it.

    `connect`: what `kubectl exec -it` takes to open a client. No secret stands in any of it.
    """

    hosts: Mapping[str, Address | Sequence[Address]] = field(default_factory=dict[str, Address])
    masters: Mapping[str, str] = field(default_factory=dict[str, str])
    users: Mapping[str, str] = field(default_factory=dict[str, str])
    passwords: Mapping[str, Password] = field(default_factory=dict[str, Password])
    buckets: Mapping[str, str] = field(default_factory=dict[str, str])
    connect: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Description:
    """All that others need to know. `fingerprint` changes whenever its checks should run again."""

    fingerprint: str
    images: tuple[Image, ...] = ()
    checked: Checked | None = None
    outputs: Outputs = Outputs()


class Described(pulumi.ComponentResource):
    """A component that describes itself. Its constructor sets `description`."""

    description: Description
