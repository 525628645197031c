"""Encrypted connections: the certificates of the servers, who makes them, and where pods have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

NAME: Final = "filewallball-certificates"
"""The account that makes certificates. The names of its Jobs begin with it."""
CRON_JOB: Final = "filewallball-certificates-cronjob"
CONTAINER: Final = "certificates"
MODULE: Final = "filewallball.certificates"
"""The Python module that the container runs."""
ACCESS: Final = "certificates"
"""The access label of the pods that make certificates."""
AUTHORITY: Final = "filewallball-ca"
"""The Secret with the authority's keys, and the ConfigMap with its certificate for every client."""
CONNECTIONS: Final = "filewallball.io/connections"
"""Annotation of the session servers' pods where connections are encrypted; its value is ENCRYPTED.

Pods with it and pods without it can't work together, so a change of it replaces all of them at once.
"""
ENCRYPTED: Final = "encrypted"
RENEW: Final = "filewallball.io/renew"
"""With this annotation on its Secret a certificate is made anew, however good it is."""

ISSUER: Final = "filewallball.io/issuer"
"""Annotation of a Secret: the issuer of cert-manager that signed what it holds."""

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
CA: Final = "ca.crt"
"""The keys of a server's Secret, and the names of its files. The ConfigMap has the last one alone."""
FILES: Final = (CERTIFICATE, KEY, CA)

DAYS: Final = 90
"""How long a certificate is valid. It is renewed when a third of that is left."""
AUTHORITY_DAYS: Final = 3650
WARN_DAYS: Final = 20
"""The checks warn from here on: the renewal should have come 10 days ago."""
FAIL_DAYS: Final = 7

CA_PATH: Final = "/tls/ca"
CA_FILE: Final = f"{CA_PATH}/{CA}"
"""Where clients have the authority's certificate."""


class Variables:
    """What the environment of the pods tells."""

    SERVERS: Final = "FWB_CERTIFICATES"
    """Of what makes certificates: which ones, as `written` gives it."""
    ISSUER: Final = "FWB_CERTIFICATES_ISSUER"
    """Of what makes certificates: who signs them, as KIND/NAME. Not set: the stack's own authority."""
    FOLDER: Final = "FWB_TLS"
    """Of what runs beside a server: the folder with the server's files. Not set: connections are plain."""
    CA_FILE: Final = "FWB_TLS_CA"
    """Of a client: the file with the authority's certificate. Not set: connections are plain."""


@dataclass(frozen=True)
class Server:
    """A certificate: whose it is, and the Services whose names and addresses stand in it."""

    name: str
    services: tuple[str, ...]

    @property
    def secret(self) -> str:
        """The Secret with its files."""
        return secret_of(self.name)


@dataclass(frozen=True)
class Issuer:
    """An issuer of cert-manager."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def read(cls, text: str) -> Issuer:
        """What str() gave. Raises ValueError for anything else."""
        kind, slash, name = text.partition("/")
        if not (kind and slash and name):
            raise ValueError(f"{text!r} is no KIND/NAME")
        return cls(kind, name)


def request_of(server: str) -> str:
    """The CertificateRequest by which a server's certificate is asked for."""
    return f"{secret_of(server)}-request"


def secret_of(server: str) -> str:
    """The Secret with the files of a server's certificate."""
    return f"{server}-tls"


def folder_of(server: str) -> str:
    """Where the pods of a server have the files."""
    return f"/tls/{server}"


def file_of(server: str, name: str) -> str:
    """Where the pods of a server have one of FILES."""
    return f"{folder_of(server)}/{name}"


def names_of(service: str, namespace: str, domain: str | None = None) -> list[str]:
    """The DNS names of a Service, with the cluster's domain if it is known."""
    names = [service, f"{service}.{namespace}", f"{service}.{namespace}.svc"]
    return [*names, f"{names[-1]}.{domain}"] if domain else names


def written(wanted: Sequence[Server]) -> str:
    """The value of Variables.SERVERS."""
    return json.dumps([asdict(each) for each in wanted])


def read(text: str) -> tuple[Server, ...]:
    """What `written` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    found: list[dict[str, Any]] = json.loads(text)
    return tuple(Server(str(each["name"]), tuple(map(str, each["services"]))) for each in found)
