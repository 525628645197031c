"""The keys of a stack: every part of its configuration in one model, and what is seen of it as a whole.

Pure: nothing here declares a resource or needs a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from components.schema.app import App
from components.schema.backup import Backup
from components.schema.balancer import Balancer
from components.schema.base import Model
from components.schema.schedules import Scheduled
from components.schema.servers import Mariadb, Redis
from components.schema.stack import Agent, Checks, Cluster, Toolkit
from components.schema.tls import Tls
from components.schema.valkey import Valkey
from components.values import Namespace, TimeZone

PROJECT = "filewallball"


class Settings(Model):
    """The keys of a stack. Each is written as `filewallball:<key>` in Pulumi.<stack>.yaml."""

    cluster: Cluster = Field(description="The cluster in which the stack runs.")
    namespace: Namespace = Field(default=PROJECT, description="Namespace for everything in the stack.")
    disposable: bool = Field(
        default=False, description="The checks and drills may delete pods, change servers and fill the cache."
    )
    protect: bool = Field(
        default=False,
        description="For production. Objects with data can't be deleted, images must be named by digest, and"
        " the stack can't be disposable.",
    )
    time_zone: TimeZone = Field(default="Asia/Seoul", description="Time zone of all schedules.")
    mariadb: Mariadb = Field(default=Mariadb(), description="The database.")
    redis: Redis = Field(default=Redis(), description="The cache.")
    valkey: Valkey = Field(default=Valkey(), description="The session servers and their Sentinels.")
    tls: Tls = Field(default=Tls(), description="Encrypted connections between clients and servers.")
    backup: Backup = Field(description="The nightly backup.")
    app: App = Field(default=App(), description="The sample application.")
    toolkit: Toolkit = Field(default=Toolkit(), description="The image of this repository's own tools.")
    agent: Agent = Field(default=Agent(), description="The image of the programs beside the servers.")
    checks: Checks = Field(default=Checks(), description="Limits for the smoke checks.")
    balancer: Balancer = Field(default=Balancer(), description="Nginx in front of the application.")

    @property
    def files_bucket(self) -> str | None:
        """The bucket of the application's files, whoever makes it; None without the application."""
        return (self.app.files.bucket or self.backup.store.files_bucket) if self.app.enabled else None

    def warnings(self, today: datetime) -> Iterator[str]:
        """What will go wrong in the year after `today`, as things stand: each a sentence with what to do."""
        for path, part in _scheduled(self):
            for missed in part.skipped(self.time_zone, today):
                yield (
                    f"{PROJECT}:{path}.schedule = {part.schedule!r}: in {self.time_zone} the clocks go"
                    f" forward on {missed:%Y-%m-%d}, and {missed:%H:%M} doesn't exist that day. So nothing"
                    f" runs then, and the newest result gets older than {PROJECT}:{path}.maxAgeHours"
                    f" {part.max_age_hours}. Write an hour that every day has, such as '0 12 * * *', or set"
                    f" {PROJECT}:timeZone to one whose clocks never change, such as Etc/UTC."
                )
        if self.toolkit.image and not self.agent.image:
            yield (
                f"{PROJECT}:agent.image isn't set, so the session servers' agents run in"
                f" {PROJECT}:toolkit.image, and every change of that restarts the session servers. Build"
                " images/agent/Dockerfile, push it, and write its registry/name:tag@sha256:… as"
                f" {PROJECT}:agent.image."
            )


def _scheduled(model: Model, above: str = "") -> Iterator[tuple[str, Scheduled]]:
    """All that runs by the clock, with its dotted path."""
    for name, field in type(model).model_fields.items():
        part, path = getattr(model, name), above + (field.alias or name)
        if isinstance(part, Scheduled):
            yield path, part
        if isinstance(part, Model):
            yield from _scheduled(part, f"{path}.")
