"""Encryption as kubectl does it: whom it trusts, which name it expects, and the client's own certificate."""

from __future__ import annotations

import re
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filewallball.errors import ConfigError
from filewallball.kube.fields import Cluster

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Identity:
    """A client certificate and its key, both in PEM."""

    certificate: bytes
    key: bytes


class _Context(ssl.SSLContext):
    """Asks for, and expects, `server_name` in the place of the URL's host, behind a proxy too."""

    server_name = ""

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **self._renamed(kwargs))

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **self._renamed(kwargs))

    def _renamed(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**options, "server_hostname": self.server_name} if self.server_name else options


def context(cluster: Cluster, identity: Identity | None, where: str) -> ssl.SSLContext:
    """How to speak with a cluster's server. Raises ConfigError for certificates that are none."""
    found = _Context(ssl.PROTOCOL_TLS_CLIENT)
    found.server_name = cluster.tls_server_name
    found.hostname_checks_common_name = False
    if cluster.insecure:
        found.check_hostname = False
        found.verify_mode = ssl.CERT_NONE
    elif cluster.authority or cluster.authority_data:
        # a certificate that is trusted needn't be an authority's
        found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _trust(found, authority_of(cluster), where)
    else:
        found.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if identity:
        _identify(found, identity, where)
    return found


def authority_of(cluster: Cluster) -> bytes:
    """The certificates that a cluster's server is trusted by, in PEM; empty for the machine's own."""
    return cluster.authority_data or (Path(cluster.authority).read_bytes() if cluster.authority else b"")


def _trust(found: ssl.SSLContext, pem: bytes, where: str) -> None:
    good = 0
    for block in _CERTIFICATE.findall(pem):
        try:
            found.load_verify_locations(cadata=block.decode("ascii"))
            good += 1
        except (ssl.SSLError, ValueError):  # kubectl passes over it as well
            continue
    if not good:
        raise ConfigError(
            f"{where}: the certificate-authority holds no certificate",
            "Give certificates in PEM, which begin with BEGIN CERTIFICATE.",
        )


def _identify(found: ssl.SSLContext, identity: Identity, where: str) -> None:
    def no_password() -> str:
        raise ConfigError(
            f"{where}: the client-key is protected by a password, which kubectl doesn't read either",
            "Give a key without password.",
        )

    with tempfile.NamedTemporaryFile() as file:  # for its owner alone; ssl reads only files
        file.write(identity.certificate + b"\n" + identity.key)
        file.flush()
        try:
            found.load_cert_chain(file.name, password=no_password)
        except ssl.SSLError as error:
            raise ConfigError(
                f"{where}: the client-certificate and its client-key cannot be used: {error.reason}",
                "Give both in PEM, and see that the key belongs to the certificate.",
            ) from None
