"""What all parts of a configuration have in common, and what several of them share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any, Self, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel, to_snake

from components.faults import Clash, Fault
from components.values import AbsolutePath, Cpu, DnsName, ImageCheck, Quantity, quantity_bytes

MOST_CHARACTERS = 4096
"""The longest text that a setting may have."""
LEAST_MEMORY = 16 * 2**20
"""The smallest memory limit of a container, in bytes."""
WRITE, STAND_IN = "write", "standIn"
"""Of a field that a stack may leave to its owner: what to write there, and what is shown until then."""


class Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Let `resources: {memoryLimit: 1Gi}` keep the other defaults of the place where it stands.

        `pulumi config set --secret --path` writes mappings and lists as JSON texts: they are read here.
        """
        given = structured(given)
        if not isinstance(given, dict):
            return given
        given = cast("dict[str, Any]", given)
        filled = dict(given)
        for name, field in cls.model_fields.items():
            key = field.alias or name
            if key in filled and get_origin(field.annotation) in (list, dict, tuple):
                filled[key] = structured(filled[key])
            part = structured(given.get(key))
            if isinstance(field.default, BaseModel) and isinstance(part, dict):
                filled[key] = field.default.model_dump(by_alias=True, exclude_unset=True) | part
        return filled

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, given: Any, info: ValidationInfo) -> Any:
        """A switch is no number, and nothing but true and false is a switch, as Pulumi has it."""
        kind: Any = cls.model_fields[info.field_name].annotation if info.field_name else None
        if isinstance(given, bool) and kind in (int, float, int | None):
            raise ValueError("a switch, where a number is meant; write a number")
        if kind is bool and not isinstance(given, bool):
            if not isinstance(given, str) or given.lower() not in ("true", "false"):
                raise ValueError("not a switch; write true or false")
            return given.lower() == "true"
        if isinstance(given, str) and len(given) > MOST_CHARACTERS:
            raise ValueError(f"too long; write {MOST_CHARACTERS} characters or less")
        return given

    def images(self, path: str = "") -> Iterator[tuple[str, str | None]]:
        """Every image that is run, by the path of its setting behind `path`; None: built, never pushed."""
        for name, field in type(self).model_fields.items():
            value, where = getattr(self, name), path + (field.alias or name)
            if isinstance(value, Model):
                yield from value.images(f"{where}.")
            elif names_image(field.annotation, field.metadata):
                yield where, value

    def clash(self, paths: str | tuple[str, ...], why: str) -> Fault:
        """A fault of settings that don't fit together, for `Clash`.

        `paths`: those below this model that could be changed; the one that isn't at its default is named.
        """
        every = (paths,) if isinstance(paths, str) else paths
        path = next((one for one in every if self.at(one) != self._default(one)), every[0])
        return path, self.at(path), why

    def said(self, path: str) -> str:
        """A setting and its value, as whoever wrote the file knows it."""
        value = self.at(path)
        return f"{{.{path}}} {value}" + (" (the default)" if value == self._default(path) else "")

    def at(self, path: str) -> object:
        found: object = self
        for part in path.split("."):
            found = getattr(found, to_snake(part))
        return found

    def _default(self, path: str) -> object:
        first, _, rest = path.partition(".")
        found = type(self).model_fields[to_snake(first)].default
        for part in rest.split(".") if rest else ():
            found = getattr(found, to_snake(part), None)
        return found


def names_image(annotation: Any, metadata: Sequence[object]) -> bool:
    """Whether a setting's value is the reference of an image."""
    if any(isinstance(each, ImageCheck) for each in metadata):
        return True
    either = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return any(names_image(each, getattr(each, "__metadata__", ())) for each in either)


def structured(given: Any) -> Any:
    """What a JSON text of a mapping or a list holds; anything else as it is."""
    if isinstance(given, str) and given.lstrip().startswith(("{", "[")):
        with suppress(ValueError):
            return json.loads(given)
    return given


def to_set(write: str, stand_in: str) -> Any:
    """For a Field whose value only a stack's owner knows. `write`: what to write there; where to find it."""
    return {WRITE: write, STAND_IN: stand_in}


CLASS_TO_SET = to_set(
    "one of `kubectl get storageclass` with Retain, WaitForFirstConsumer and ALLOWVOLUMEEXPANSION true",
    "set-me",
)


class Storage(Model):
    """A persistent volume. Choose one: a StorageClass, an existing volume, or a folder of the node."""

    size: Quantity = Field(
        default="5Gi",
        description="Size of the volume. You can make it larger later if the StorageClass allows it, but"
        " never smaller.",
    )
    storage_class: DnsName | None = Field(
        default=None,
        description="StorageClass of the volume. If not set: the cluster's default.",
        json_schema_extra=CLASS_TO_SET,
    )
    volume_name: DnsName | None = Field(
        default=None, description="Name of an existing PersistentVolume to use."
    )
    host_path: AbsolutePath | None = Field(
        default=None,
        description="Folder on the node, owned by uid 999. A static PersistentVolume is made for it.",
    )
    node: DnsName | None = Field(
        default=None,
        description="Required with hostPath: the node that has the folder, by its label"
        " kubernetes.io/hostname.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = {
            "storageClass": self.storage_class,
            "volumeName": self.volume_name,
            "hostPath": self.host_path,
        }
        given = [name for name, value in sources.items() if value is not None]
        if "hostPath" in given and len(given) > 1:
            raise Clash(
                self.clash(given[-1], f"{' and '.join(given)} exclude each other; write only one of them")
            )
        if self.host_path and not self.node:
            raise Clash(
                self.clash(
                    "node",
                    "must be set with hostPath: on another node the folder may be empty, and the server"
                    " would start without its data; write the node's name, as `kubectl get nodes -L"
                    " kubernetes.io/hostname` shows it",
                )
            )
        if self.node and not self.host_path:
            raise Clash(
                self.clash("node", "has no use without hostPath; leave it out, or write hostPath: /FOLDER")
            )
        return self


class Resources(Model):
    """What a container requests and may use. There is no CPU limit: it would only slow servers down."""

    cpu: Cpu = Field(default="100m", description="CPU requested.")
    memory: Quantity = Field(default="128Mi", description="Memory requested.")
    memory_limit: Quantity = Field(
        default="256Mi", description="Memory limit. The container is stopped if it uses more."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        limit = quantity_bytes(self.memory_limit)
        if limit < LEAST_MEMORY:
            raise Clash(
                self.clash("memoryLimit", "no program starts in so little; write 16Mi or more, with the unit")
            )
        if quantity_bytes(self.memory) > limit:
            raise Clash(
                self.clash(
                    "memory",
                    f"more than {{.memoryLimit}} {self.memory_limit}; write a memoryLimit of {self.memory} or"
                    f" more, or a memory of {self.memory_limit} or less",
                )
            )
        return self


def resources_field(cpu: str, memory: str, limit: str) -> Any:
    return Field(
        Resources(cpu=cpu, memory=memory, memory_limit=limit), description="CPU and memory of the container."
    )
