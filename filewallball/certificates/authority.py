"""The authority that signs the servers' certificates, and how it is replaced without an outage.

It is replaced in steps, long before its end. First its successor is published beside it, so that every
client trusts both. A month later the successor signs, and the old one stays published until its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from facts.tls import AUTHORITY_DAYS, DAYS

CERTIFICATE, KEY = "tls.crt", "tls.key"
NEXT_CERTIFICATE, NEXT_KEY = "next.crt", "next.key"
PREVIOUS_CERTIFICATE = "previous.crt"
OVERLAP = timedelta(days=30)
"""How long a successor is published before it signs."""
SKEW = timedelta(hours=1)
"""Certificates are valid from so long ago on: clocks differ."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def read(cls, certificate: bytes | None, key: bytes | None) -> Pair | None:
        """The pair in PEM form; None where it can't be read, or the two don't belong together."""
        if not certificate or not key:
            return None
        try:
            found = x509.load_pem_x509_certificate(certificate)
            private = serialization.load_pem_private_key(key, None)
        except (ValueError, TypeError):
            return None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or found.public_key() != private.public_key():
            return None
        return cls(found, private)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


@dataclass(frozen=True)
class Authority:
    """`signing` signs. `successor` will; `previous` did, and some certificates may still be its own."""

    signing: Pair
    successor: Pair | None = None
    previous: x509.Certificate | None = None

    @property
    def bundle(self) -> bytes:
        """The certificates that clients trust, in PEM form."""
        found = [self.signing.certificate]
        found += [self.successor.certificate] if self.successor else []
        found += [self.previous] if self.previous else []
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in found)

    def files(self) -> dict[str, bytes]:
        """What its Secret holds."""
        files = {CERTIFICATE: self.signing.certificate_pem, KEY: self.signing.key_pem}
        if self.successor:
            files |= {
                NEXT_CERTIFICATE: self.successor.certificate_pem,
                NEXT_KEY: self.successor.key_pem,
            }
        if self.previous:
            files[PREVIOUS_CERTIFICATE] = self.previous.public_bytes(serialization.Encoding.PEM)
        return files


def current(files: Mapping[str, bytes], namespace: str, now: datetime) -> Authority:
    """The authority that these files hold, one step further if it is time; a new one if they hold none."""
    signing = Pair.read(files.get(CERTIFICATE), files.get(KEY))
    if signing is None or expired(signing.certificate, now):
        return Authority(made(namespace, now))
    successor = Pair.read(files.get(NEXT_CERTIFICATE), files.get(NEXT_KEY))
    previous = _certificate(files.get(PREVIOUS_CERTIFICATE))
    if previous and expired(previous, now):
        previous = None
    if successor is None:
        ending = little_left(signing.certificate, now)
        return Authority(signing, made(namespace, now) if ending else None, previous)
    if successor.certificate.not_valid_before_utc + OVERLAP <= now:
        return Authority(successor, None, signing.certificate)
    return Authority(signing, successor, previous)


def made(namespace: str, now: datetime) -> Pair:
    """A new authority. Its name holds the day, so that two of them can be told apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has 64 characters at most: of a long namespace the end goes, and never the day.
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"filewallball {now:%Y-%m-%d} {namespace}"[:64])]
    )
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def key_usage(*, signs: bool) -> x509.KeyUsage:
    """Of an authority, which signs certificates; else of a server."""
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs, crl_sign=signs,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def expired(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc <= now


def little_left(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether less than a third of its life is left."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return (certificate.not_valid_after_utc - now) * 3 < life


def longest(authority: Pair, now: datetime) -> datetime:
    """The end of a certificate that begins now: none outlives its authority."""
    return min(now + timedelta(days=DAYS), authority.certificate.not_valid_after_utc)


def _certificate(pem: bytes | None) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem) if pem else None
    except ValueError:
        return None
