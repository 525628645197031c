"""A digest of keys: no order counts, every detail does."""

from __future__ import annotations

from filewallball.snapshots.digest import Digest


def test_a_digest_knows_no_order_but_every_detail() -> None:
    one, other = Digest(0), Digest(0)
    for name in (b"a", b"b"):
        one.add(name, 1, b"v")
    for name in (b"b", b"a"):
        other.add(name, 1, b"v")
    assert one.hexdigest() == other.hexdigest()
    entries = [(0, b"a", 1, b"v"), (1, b"a", 1, b"v"), (0, b"A", 1, b"v"), (0, b"a", None, b"v")]
    entries += [(0, b"a", 2, b"v"), (0, b"a", 1, b"w"), (0, b"a1", None, b"v")]
    seen: set[str] = set()
    for number, name, expires, value in entries:
        digest = Digest(number)
        digest.add(name, expires, value)
        seen.add(digest.hexdigest())
    assert len(seen) == len(entries)


def test_equal_entries_do_not_cancel_out() -> None:
    twice = Digest(0)
    twice.add(b"a", None)
    twice.add(b"a", None)
    assert twice.hexdigest() != Digest(0).hexdigest()
