"""Encrypted connections."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.faults import Clash
from components.schema.base import Model, Resources, resources_field
from components.values import DnsName


class CertManager(Model):
    """An issuer of cert-manager that signs the certificates, in place of the stack's own authority."""

    issuer: DnsName = Field(
        description="Name of the issuer. It must sign names and addresses of Services, and give its CA"
        " certificate, as issuers of the kinds CA and Vault do."
    )
    kind: Literal["Issuer", "ClusterIssuer"] = Field(
        default="Issuer", description="Kind of the issuer. An Issuer is in the stack's own namespace."
    )


class Tls(Model):
    """Encrypted connections between clients and servers."""

    enabled: bool = Field(
        default=False,
        description="MariaDB, Redis, Valkey and the Sentinels take only encrypted connections (TLS 1.2 or"
        " newer). A Job in the cluster makes the certificates, and a CronJob renews them. A change in a"
        " running stack stops the session servers for a moment, and the clients must change with it.",
    )
    cert_manager: CertManager | None = Field(
        default=None,
        description="Who signs the certificates, if not the stack itself: an issuer of cert-manager, which"
        " must be installed in the cluster.",
    )
    resources: Resources = resources_field("10m", "64Mi", "192Mi")

    @model_validator(mode="after")
    def _one_who_signs(self) -> Self:
        if self.cert_manager and not self.enabled:
            raise Clash(
                self.clash(
                    ("certManager", "enabled"),
                    "says who signs certificates, but connections aren't encrypted; write tls.enabled: true,"
                    " or leave certManager out",
                )
            )
        return self
