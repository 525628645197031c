"""Encrypted connections."""

from __future__ import annotations

from pydantic import Field

from components.schema.base import Model, Resources, resources_field


class Tls(Model):
    """Encrypted connections between clients and servers. Set it before the stack's first `up`."""

    enabled: bool = Field(
        default=False,
        description="MariaDB, Redis, Valkey and the Sentinels take only encrypted connections (TLS 1.2 or"
        " newer). A Job in the cluster makes the certificates, and a CronJob renews them every day that it"
        " is necessary. To change this in a running stack, run `fwb destroy` and then `fwb up`: the data"
        " stays.",
    )
    resources: Resources = resources_field("10m", "64Mi", "192Mi")
