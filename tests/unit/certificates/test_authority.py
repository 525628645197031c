"""The authority: made once, followed by a successor that is known before it signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509

from facts.tls import AUTHORITY_DAYS
from filewallball.certificates import authority
from filewallball.certificates.authority import CERTIFICATE, KEY, OVERLAP, Authority, current

NOW = datetime(2026, 3, 1, tzinfo=UTC)
YEARS = timedelta(days=AUTHORITY_DAYS)


def published(found: Authority) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(found.bundle)


def test_the_first_one_signs_for_most_of_its_life() -> None:
    first = current({}, "shop", NOW)
    assert published(first) == [first.signing.certificate]
    for later in (timedelta(days=1), YEARS / 2):
        assert current(first.files(), "shop", NOW + later).files() == first.files()


def test_a_successor_is_published_before_it_signs_and_the_old_one_until_its_end() -> None:
    first = current({}, "shop", NOW)
    when = NOW + YEARS * 0.67
    both = current(first.files(), "shop", when)
    assert both.signing.certificate == first.signing.certificate
    assert both.successor
    assert published(both) == [first.signing.certificate, both.successor.certificate]
    # Nothing moves until a month later, on whatever day the job runs.
    assert current(both.files(), "shop", when + OVERLAP / 2).files() == both.files()
    second = current(both.files(), "shop", when + OVERLAP)
    assert second.signing.certificate == both.successor.certificate
    assert published(second) == [both.successor.certificate, first.signing.certificate]
    assert KEY in second.files()
    ended = current(second.files(), "shop", NOW + YEARS)
    assert published(ended) == [second.signing.certificate]


def test_two_of_them_have_different_names() -> None:
    """Where both are trusted, a client finds the issuer by its name."""
    one, other = (authority.made("shop", NOW + timedelta(days=days)) for days in (0, 1))
    assert one.certificate.subject != other.certificate.subject


def test_one_that_can_t_sign_is_replaced() -> None:
    first, other = current({}, "shop", NOW), current({}, "shop", NOW)
    for files in (
        {CERTIFICATE: b"nonsense", KEY: b"nonsense"},
        {**first.files(), KEY: other.files()[KEY]},
        {CERTIFICATE: first.files()[CERTIFICATE]},
    ):
        assert current(files, "shop", NOW).signing.certificate != first.signing.certificate
    assert current(first.files(), "shop", NOW + YEARS).signing.certificate != first.signing.certificate


def test_a_certificate_never_outlives_its_authority() -> None:
    first = current({}, "shop", NOW).signing
    assert authority.longest(first, NOW + YEARS - timedelta(days=3)) == first.certificate.not_valid_after_utc
