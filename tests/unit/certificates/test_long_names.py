"""Names as long as Kubernetes allows: certificates can be made of them, and clients take them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from facts.tls import AUTHORITY_DAYS, CA, CERTIFICATE, KEY, names_of
from filewallball.certificates import authority, leaf
from filewallball.certificates.authority import OVERLAP, Authority, current
from filewallball.certificates.leaf import Names
from filewallball.encryption import context

LONGEST = "n" * 63
"""A namespace can't be longer."""
DOMAIN = ".".join(["cluster" * 9] * 2)
NOW = datetime.now(UTC)


@pytest.mark.parametrize("namespace", ["shop", LONGEST])
def test_two_authorities_of_one_namespace_have_different_names(namespace: str) -> None:
    one, other = (authority.made(namespace, NOW + timedelta(days=days)) for days in (0, 1))
    assert one.certificate.subject != other.certificate.subject
    [name] = one.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert len(str(name.value)) <= 64
    assert namespace[:32] in str(name.value)


def test_a_client_knows_a_server_by_its_longest_name_before_and_after_the_authority_changes(
    tmp_path: Path,
) -> None:
    names = names_of("valkey-sentinel-4", LONGEST, DOMAIN)
    assert max(map(len, names)) > 200
    first = current({}, LONGEST, NOW - timedelta(days=AUTHORITY_DAYS * 0.7))
    both = current(first.files(), LONGEST, NOW - OVERLAP)
    second = current(both.files(), LONGEST, NOW)
    assert second.signing.certificate != first.signing.certificate
    for number, signer in enumerate((both, second)):
        folder = tmp_path / str(number)
        folder.mkdir()
        pair = leaf.made("valkey-sentinel", Names.of(names, ["10.96.0.7"]), signer.signing, NOW)
        written = {CERTIFICATE: pair.certificate_pem, KEY: pair.key_pem, CA: bundle(both, second)}
        for name, content in written.items():
            (folder / name).write_bytes(content)
        for name in (*names, "10.96.0.7"):
            shake_hands(folder, name)
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(folder, f"another-{names[-1]}")


def bundle(*authorities: Authority) -> bytes:
    """What clients trust while one follows the other."""
    return b"".join(each.bundle for each in authorities)


def shake_hands(folder: Path, host: str) -> None:
    """A client and a server in this process. Raises SSLError where the client doesn't know the server."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context(str(folder / CA)).wrap_bio(back, there, server_hostname=host)
    server = ours.wrap_bio(there, back, server_side=True)
    done: set[ssl.SSLObject] = set()
    for _ in range(6):
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    assert done == {client, server}
