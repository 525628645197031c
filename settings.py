"""The whole configuration of a stack, `Pulumi.<stack>.yaml`: read, checked as a whole, handed to the program.

Pure: nothing here declares a resource or needs a cluster. Every fault of a stack is reported at once, each
with its dotted path, what was given, why it is wrong and what to write (`SettingsError`, exit code 2).
docs/configuration.md is made from these models by scripts/configuration_reference.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from components.faults import (
    Fault,
    SettingsError,
    from_pydantic,
    misspelt,
    parse_values,
    without_secrets,
)
from components.schema import PROJECT, Model, Settings
from components.schema.aws import ROLE_ANNOTATION
from components.unset import drafted
from components.values import image_is_pinned
from facts.app import CONNECTIONS
from facts.machine import DEPLOYING_VARIABLE

NOT_SET = "still to be set"
__all__ = ["PROJECT", "Settings", "SettingsError", "from_pulumi", "load"]


def _stack_faults(parts: Mapping[str, Any]) -> list[Fault]:
    """What only shows when several parts are seen together. `parts`: those that are right in themselves."""
    protection = _protection_faults(parts) if parts.get("protect") else ()
    application = (*_file_faults(parts), *_crowd_faults(parts), *_balancer_faults(parts))
    return [*_aws_faults(parts), *application, *protection]


def _balancer_faults(parts: Mapping[str, Any]) -> Iterator[Fault]:
    app, balancer = parts.get("app"), parts.get("balancer")
    if app and balancer and balancer.enabled and not app.enabled:
        yield (
            "balancer.enabled",
            True,
            "the stack has no application for a balancer to stand before; write app.enabled: true as well, or"
            " false here",
        )


def _aws_faults(parts: Mapping[str, Any]) -> Iterator[Fault]:
    backup, cluster, valkey = parts.get("backup"), parts.get("cluster"), parts.get("valkey")
    if not (backup and backup.store.aws):
        return
    if cluster and cluster.sandbox:
        yield (
            "backup.store.aws",
            None,
            f"the pods of the sandbox {cluster.sandbox} can't take a role at AWS; write inCluster: true, or"
            " cluster.context: NAME of a cluster at AWS",
        )
    accounts = {
        "backup": backup,
        "valkey.snapshots": valkey and valkey.snapshots,
        "checks": parts.get("checks"),
        "app": parts.get("app"),
    }
    for path, part in accounts.items():
        if part and ROLE_ANNOTATION in part.service_account_annotations:
            yield (
                f"{path}.serviceAccountAnnotations.{ROLE_ANNOTATION}",
                part.service_account_annotations[ROLE_ANNOTATION],
                "the stack makes this account's role itself, by backup.store.aws; leave it out",
            )


def _file_faults(parts: Mapping[str, Any]) -> Iterator[Fault]:
    """The users' files are in a bucket of their own, which opens no way to the backups."""
    app, backup = parts.get("app"), parts.get("backup")
    if not (app and app.enabled and backup):
        return
    files, store = app.files, backup.store
    if not (files.bucket or store.files_bucket):
        yield (
            "app.files.bucket",
            None,
            "backup.store.bucket is a bucket that you made, and you have to make one for the users' files as"
            " well; write its name",
        )
    if (name := files.bucket or store.files_bucket) == store.bucket_name:
        yield (
            "app.files.bucket",
            name,
            "the bucket of the backups, which the application could then read and delete; write the name of"
            " another one",
        )
    if files.credentials_secret and store.files_bucket:
        yield (
            "app.files.credentialsSecret",
            files.credentials_secret,
            "the stack makes the bucket and the way into it itself; leave this out",
        )
    elif files.credentials_secret and files.credentials_secret == store.credentials_secret:
        yield (
            "app.files.credentialsSecret",
            files.credentials_secret,
            "opens the backups, which the application could then read and delete; write the name of a Secret"
            " with other keys",
        )


def _crowd_faults(parts: Mapping[str, Any]) -> Iterator[Fault]:
    """All servers of the application must find places at the database."""
    app, mariadb = parts.get("app"), parts.get("mariadb")
    if not (app and app.enabled and mariadb):
        return
    needed = app.replicas * CONNECTIONS
    if needed > mariadb.max_connections:
        yield (
            "app.replicas",
            app.replicas,
            f"each server opens up to {CONNECTIONS} connections to the database, {needed} in all, and"
            f" mariadb.maxConnections is {mariadb.max_connections}; write one of {needed} or more there, or"
            f" {mariadb.max_connections // CONNECTIONS} replicas or fewer",
        )


def _protection_faults(parts: Mapping[str, Any]) -> list[Fault]:
    aliases = {name: field.alias or name for name, field in Settings.model_fields.items()}
    images = {
        path: image
        for name, part in parts.items()
        if isinstance(part, Model)
        for path, image in part.images(f"{aliases[name]}.")
    }
    faults: list[Fault] = [
        (path, image, _why_unpinned(image))
        for path, image in images.items()
        if image is None or not image_is_pinned(image)
    ]
    backup = parts.get("backup")
    if backup and backup.store.in_cluster:
        faults.append(
            (
                "backup.store.inCluster",
                True,
                "backups in the cluster are lost with it, and this stack is protected; write aws: with keys"
                " below it, or bucket: NAME of one elsewhere",
            )
        )
    if parts.get("disposable"):
        faults.append(
            (
                "disposable",
                True,
                "a protected stack isn't disposable; write false for one of the two",
            )
        )
    return faults


def _why_unpinned(image: str | None) -> str:
    if image is None:
        return "a protected stack needs a pushed image; write what `fwb images push REGISTRY/PREFIX` prints"
    return (
        "a tag can change, and a protected stack runs only what was tested; `fwb images pin STACK` finds its"
        f" digest and writes {image}@sha256:…"
    )


def load(values: Mapping[str, Any], stack: str, secret: Iterable[str] = ()) -> Settings:
    """Check a stack's values: keys as in Pulumi.<stack>.yaml, `filewallball:` in front or not.

    Values may be Python objects (read from YAML) or strings (as Pulumi hands them to a program).
    `secret`: the keys whose values must not be shown, all that is below them included.
    Raises SettingsError with every fault, or with all that is still to be set.
    """
    settings, unset = draft(values, stack, secret)
    if unset:
        raise SettingsError(stack, unset, NOT_SET)
    return settings


def draft(values: Mapping[str, Any], stack: str, secret: Iterable[str] = ()) -> tuple[Settings, list[Fault]]:
    """As `load`, but what is still to be set has a stand-in, and is returned with what to write there.

    For whatever shows a stack and changes nothing.
    """
    plain, unset = drafted(parse_values(values, PROJECT, Settings), Settings)
    hidden = parse_values({key: values[key] for key in secret if key in values}, PROJECT, Settings)
    faults = list(misspelt(values, PROJECT, Settings))
    parts: dict[str, Any] = {}
    try:
        settings = Settings.model_validate(plain, by_alias=True, by_name=False)
        parts = dict(settings)
    except ValidationError as error:
        settings = None
        faults += from_pydantic(error, Settings)
        parts = dict(_valid_parts(plain))
    faults += _stack_faults(parts)
    if faults or settings is None:
        raise SettingsError(stack, without_secrets([*faults, *unset], hidden))
    return settings, without_secrets(unset, hidden)


def images(values: Mapping[str, Any], stack: str, secret: Iterable[str] = ()) -> dict[str, str | None]:
    """Every image that the stack runs, by its dotted path, as it is written: by a tag alone, or SET-ME.

    Raises SettingsError with every other fault.
    """
    free = {key: value for key, value in values.items() if key.rpartition(":")[2] != "protect"}
    settings, unset = draft(free, stack, secret)
    aliases = {name: field.alias or name for name, field in Settings.model_fields.items()}
    found = {
        path: image
        for name, part in settings
        if isinstance(part, Model)
        for path, image in part.images(f"{aliases[name]}.")
    }
    return found | {path: str(given) for path, given, _ in unset if path in found}


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
    """The running program's settings. Raises pulumi.RunError, which Pulumi prints without a traceback.

    In a preview, what is still to be set is only listed.
    """
    import pulumi
    from pulumi.runtime import config

    class Refused(pulumi.RunError):
        exit_code = SettingsError.exit_code

    values = {**config.get_config_env(), **config.CONFIG.get()}
    secret = {*config.get_config_secret_keys_env(), *filter(config.is_config_secret, values)}
    deploying = not pulumi.runtime.is_dry_run() or os.environ.get(DEPLOYING_VARIABLE) == "1"
    try:
        settings, unset = draft(values, pulumi.get_stack(), secret)
    except SettingsError as error:
        raise Refused(str(error)) from None
    if unset:
        told = str(SettingsError(pulumi.get_stack(), unset, NOT_SET))
        if deploying:
            raise Refused(told)
        pulumi.log.warn(told)
    return settings
