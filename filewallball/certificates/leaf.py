"""A server's certificate: whether it is still good, and a new one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from facts.tls import CERTIFICATE, KEY
from filewallball.certificates.authority import SKEW, Pair, key_usage, little_left, longest


@dataclass(frozen=True)
class Names:
    """What a certificate is for: DNS names and IP addresses, as text."""

    dns: frozenset[str]
    addresses: frozenset[str]

    @classmethod
    def of(cls, dns: Iterable[str], addresses: Iterable[str]) -> Names:
        return cls(frozenset(dns), frozenset(str(ipaddress.ip_address(each)) for each in addresses))


def fault(files: Mapping[str, bytes], wanted: Names, signer: Pair | None, now: datetime) -> str:
    """Why the certificate in these files must be made anew, as words after "its certificate"; "" if good.

    `signer`: who must have signed it; None where that isn't known here.
    """
    found = Pair.read(files.get(CERTIFICATE), files.get(KEY))
    if found is None:
        return "is missing or can't be read"
    certificate = found.certificate
    try:
        if signer:
            certificate.verify_directly_issued_by(signer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return "is signed by another authority"
    named = names_in(certificate)
    if named != wanted:
        missing = sorted((wanted.dns | wanted.addresses) - (named.dns | named.addresses))
        return f"lacks {', '.join(missing)}" if missing else "has names that are no longer the server's"
    if little_left(certificate, now):
        return f"ends on {certificate.not_valid_after_utc:%Y-%m-%d}"
    return ""


def names_in(certificate: x509.Certificate) -> Names:
    """The names that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Names.of((), ())
    dns = found.get_values_for_type(x509.DNSName)
    return Names.of(dns, map(str, found.get_values_for_type(x509.IPAddress)))


def requested(server: str, wanted: Names) -> tuple[bytes, bytes]:
    """A new key, and the request that another authority sign it, both in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_subject(server))
        .add_extension(_names(wanted), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, request.public_bytes(pem)


def made(server: str, wanted: Names, signer: Pair, now: datetime) -> Pair:
    """A new certificate with a new key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    signing = signer.key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject(server))
        .issuer_name(signer.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(longest(signer, now))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(_names(wanted), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing), critical=False)
        .sign(signer.key, hashes.SHA256())
    )
    return Pair(certificate, key)


def _subject(server: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, server)])


def _names(wanted: Names) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in sorted(wanted.dns)]
    names += [x509.IPAddress(ipaddress.ip_address(each)) for each in sorted(wanted.addresses)]
    return x509.SubjectAlternativeName(names)
