"""The whole configuration of a stack, `Pulumi.<stack>.yaml`: read, checked as a whole, handed to the program.

Pure: nothing here declares a resource or needs a cluster. Every fault of a stack is reported at once, each
with its dotted path, what was given, why it is wrong and what to write (`SettingsError`, exit code 2).
docs/configuration.md is made from these models by scripts/configuration_reference.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from pydantic import Field, TypeAdapter, ValidationError

from components.faults import Fault, SettingsError, from_pydantic, parse_values, without_secrets
from components.schema import Agent, Backup, Checks, Cluster, Mariadb, Model, Redis, Toolkit, Valkey
from components.schema.schedules import Scheduled
from components.values import Namespace, TimeZone, image_is_pinned

__all__ = ["PROJECT", "Settings", "SettingsError", "from_pulumi", "load"]

PROJECT = "filewallball"


class Settings(Model):
    """The keys of a stack, each written as `filewallball:<key>` in Pulumi.<stack>.yaml."""

    cluster: Cluster = Field(description="Which cluster the stack lives on.")
    namespace: Namespace = Field(default=PROJECT, description="Namespace that holds everything of the stack.")
    disposable: bool = Field(
        default=False, description="Checks may delete pods, change servers and fill the cache."
    )
    protect: bool = Field(
        default=False,
        description="For production: what holds data can't be deleted, images are named by digest, and the"
        " stack can't be disposable.",
    )
    time_zone: TimeZone = Field(default="Asia/Seoul", description="Time zone of schedules.")
    mariadb: Mariadb = Field(default=Mariadb(), description="The database.")
    redis: Redis = Field(default=Redis(), description="The cache.")
    valkey: Valkey = Field(default=Valkey(), description="The session servers and their Sentinels.")
    backup: Backup = Field(description="The nightly backup.")
    toolkit: Toolkit = Field(default=Toolkit(), description="The image of this repository's own tools.")
    agent: Agent = Field(default=Agent(), description="The image of what runs beside the servers.")
    checks: Checks = Field(default=Checks(), description="Limits that the smoke checks hold the stack to.")

    def warnings(self, today: datetime) -> Iterator[str]:
        """What will go wrong in the year after `today`, as things stand: each a sentence with what to do."""
        for path, part in _scheduled(self):
            for missed in part.skipped(self.time_zone, today):
                yield (
                    f"{PROJECT}:{path}.schedule = {part.schedule!r}: in {self.time_zone} the clocks go"
                    f" forward on {missed:%Y-%m-%d}, and {missed:%H:%M} doesn't exist that day, so nothing"
                    f" runs and the newest result gets older than {path}.maxAgeHours {part.max_age_hours}."
                    " Write an hour that every day has, such as '0 12 * * *', or a timeZone whose clocks"
                    " never change, such as Etc/UTC."
                )
        if self.toolkit.image and not self.agent.image:
            yield (
                f"{PROJECT}:agent.image isn't set, so the session servers' agents run in toolkit.image, and"
                " every change of that restarts the session servers. Build images/agent/Dockerfile, push it,"
                " and write its registry/name:tag@sha256:… as agent.image."
            )


def _scheduled(model: Model, above: str = "") -> Iterator[tuple[str, Scheduled]]:
    """All that runs by the clock, with its dotted path."""
    for name, field in type(model).model_fields.items():
        part, path = getattr(model, name), above + (field.alias or name)
        if isinstance(part, Scheduled):
            yield path, part
        if isinstance(part, Model):
            yield from _scheduled(part, f"{path}.")


def _stack_faults(parts: Mapping[str, Any]) -> list[Fault]:
    """What only shows when several parts are seen together. `parts`: those that are right in themselves."""
    if not parts.get("protect"):
        return []
    aliases = {name: field.alias or name for name, field in Settings.model_fields.items()}
    images = {
        path: image
        for name, part in parts.items()
        if isinstance(part, Model)
        for path, image in part.images(f"{aliases[name]}.")
    }
    faults: list[Fault] = [
        (path, image, _pin_advice(image))
        for path, image in images.items()
        if image is None or not image_is_pinned(image)
    ]
    if parts.get("disposable"):
        faults.append(
            ("disposable", True, "a protected stack isn't disposable; write false for one of the two")
        )
    return faults


def _pin_advice(image: str | None) -> str:
    if image is None:
        return "a protected stack needs a pushed image; write its registry/name:tag@sha256:…"
    return (
        "a tag can change, and a protected stack runs only what was tested; write"
        f" {image}@sha256:… with the digest that `docker buildx imagetools inspect {image}` prints"
    )


def load(values: Mapping[str, Any], stack: str, secret: Iterable[str] = ()) -> Settings:
    """Check a stack's values: keys as in Pulumi.<stack>.yaml, `filewallball:` in front or not.

    Values may be Python objects (read from YAML) or strings (as Pulumi hands them to a program).
    `secret`: the keys whose values must not be shown, all that is below them included.
    Raises SettingsError with every fault.
    """
    plain = parse_values(values, PROJECT, Settings)
    hidden = parse_values({key: values[key] for key in secret if key in values}, PROJECT, Settings)
    faults: list[Fault] = []
    parts: dict[str, Any] = {}
    try:
        settings = Settings.model_validate(plain, by_alias=True, by_name=False)
        parts = dict(settings)
    except ValidationError as error:
        settings = None
        faults = from_pydantic(error, Settings)
        parts = dict(_valid_parts(plain))
    faults += _stack_faults(parts)
    if faults or settings is None:
        raise SettingsError(stack, without_secrets(faults, hidden))
    return settings


def _valid_parts(plain: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, field in Settings.model_fields.items():
        given = plain.get(field.alias or name, field.default)
        with suppress(ValidationError):
            yield (
                name,
                TypeAdapter[Any](cast("Any", field.annotation)).validate_python(
                    given, by_alias=True, by_name=False
                ),
            )


def from_pulumi() -> Settings:
    """The running program's settings. Raises pulumi.RunError, which Pulumi prints without a traceback."""
    import pulumi
    from pulumi.runtime import config

    class Refused(pulumi.RunError):
        exit_code = SettingsError.exit_code

    values = {**config.get_config_env(), **config.CONFIG.get()}
    secret = {*config.get_config_secret_keys_env(), *filter(config.is_config_secret, values)}
    try:
        return load(values, pulumi.get_stack(), secret)
    except SettingsError as error:
        raise Refused(str(error)) from None
