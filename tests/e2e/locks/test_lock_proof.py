"""The proof itself: it tells two users at once, and takes nobody who was killed for one."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest
from lock_proof import Resource

_context = multiprocessing.get_context("fork")


class Slow(Resource):
    """Stays in the middle of its use until it is told to go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.inside, self.go_on = _context.Event(), _context.Event()

    def accepts(self, token: int) -> bool:
        self.inside.set()
        self.go_on.wait()
        return super().accepts(token)


def test_two_at_once(tmp_path: Path) -> None:
    first = Slow(tmp_path)
    user = threading.Thread(target=first.use, args=(1,))
    user.start()
    first.inside.wait()
    other = threading.Thread(target=Resource(tmp_path).use, args=(2,))
    other.start()
    _wait_until_it_waits(first)
    first.go_on.set()
    user.join()
    other.join()
    assert first.faults() == "overlap at 2\n"


def test_a_holder_that_was_killed_is_no_overlap(tmp_path: Path) -> None:
    first = Slow(tmp_path)
    user = _context.Process(target=first.use, args=(1,))
    user.start()
    first.inside.wait()
    first.close()  # the same open file is the child's; it alone keeps the kernel's lock now
    second = Resource(tmp_path)
    other = threading.Thread(target=second.use, args=(2,))
    other.start()
    _wait_until_it_waits(second)
    user.kill()
    user.join()
    other.join()
    assert not second.faults()
    assert [token for token, _ in second.uses()] == [2]


@pytest.mark.parametrize("token", [3, 2])
def test_a_token_that_comes_again_or_late(tmp_path: Path, token: int) -> None:
    resource = Resource(tmp_path)
    resource.use(3)
    resource.use(token)
    assert resource.faults() == f"token {token} came again or late\n"


def _wait_until_it_waits(resource: Resource) -> None:
    inode = (resource.folder / "used").stat().st_ino
    while not any(
        "->" in line and f":{inode} " in line
        for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    ):
        pass
