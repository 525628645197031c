"""`Storage`: one interface over Redis, a cluster, a set with Sentinels, or a folder, for threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filewallball.storage import forks, opening
from filewallball.storage.backend import Backend, Locks, When
from filewallball.storage.holding import held_lock
from filewallball.storage.logic import kept
from filewallball.storage.logic.computed import Computed
from filewallball.storage.logic.documents import ROOT, Documents
from filewallball.storage.logic.given import finite, lasting, seconds
from filewallball.storage.logic.kept import CHECKPOINT, CHECKPOINT_SECONDS, WORKFLOW, Kept
from filewallball.storage.logic.values import Keep, Values
from filewallball.storage.opening import Local
from filewallball.storage.steps import Blocking, done

CLEAN_SECONDS, STALE_SECONDS, LEASE_SECONDS, LOCK_SECONDS = 60.0, 60.0, 30.0, 30.0


class Storage:
    """Values by key, for any number of threads, and after a fork.

    Keys are texts. Values are texts, numbers, booleans, None, bytes, lists and dicts (see `codec`). `ttl` is
    a time to live in seconds, None for ever; where it isn't given, the storage's `default_ttl` counts. Every
    call raises Unavailable when the store is away, WrongValue or WrongSetting for what can't be right.
    """

    def __init__(
        self,
        backend: Backend,
        prefix: str = "",
        *,
        default_ttl: float | None = None,
        checkpoint_ttl: float | None = CHECKPOINT_SECONDS,
        degrade: bool = False,
        locks: Callable[[], Locks] | None = None,
    ) -> None:
        self.backend = backend
        self.prefix = prefix
        self._io = Blocking(backend)
        self._values = Values(prefix, default_ttl=default_ttl, degrade=degrade)
        self._documents = Documents(self._values)
        self._computed = Computed(self._values)
        self._kept = Kept(self._values, seconds(checkpoint_ttl))
        self._make_locks = locks or backend.locks
        self._locks: Locks | None = None
        self._cleaner: threading.Thread | None = None
        self._stop = threading.Event()
        forks.tell(self)

    @classmethod
    def from_url(
        cls,
        url: str,
        prefix: str = "",
        *,
        default_ttl: float | None = None,
        checkpoint_ttl: float | None = CHECKPOINT_SECONDS,
        degrade: bool = False,
        local: Local | None = None,
        **options: Any,
    ) -> Storage:
        """The storage at an address (see `urls`). It connects with the first use.

        `prefix` stands before every key. `degrade`: while the store is away or full, reads miss and
        writes are dropped; locks, counters, checkpoints, workflows and `clear` raise all the same. `local`:
        keep copies in this process before the server, which tells when one is out of date (see
        docs/storage.md).
        `options`: what need not stand in the address: user, password, sentinel_user, sentinel_password (each
        password a text, the Path of a file, or a function), ca_file, timeout, attempt_timeout,
        max_connections, max_size, durable. Raises WrongSetting.
        """
        where = opening.address(url, options)
        return cls(
            opening.backend(where, prefix, local),
            prefix,
            default_ttl=default_ttl,
            checkpoint_ttl=checkpoint_ttl,
            degrade=degrade,
        )

    __reduce__ = opening.unpicklable

    def after_fork(self) -> None:
        self._cleaner, self._stop = None, threading.Event()

    # values
    def get(self, key: str, default: Any = None) -> Any:
        return done(self._values.get(key, default), self._io)

    def set(
        self, key: str, value: object, ttl: float | Keep | None = "default", *, when: When = "always"
    ) -> bool:
        """Whether it was written. `when`: "new", only if there is none; "present", only over one."""
        return done(self._values.set(key, value, ttl, when), self._io)

    def delete(self, *keys: str) -> int:
        """How many there were."""
        return done(self._values.delete(keys), self._io)

    def exists(self, key: str) -> bool:
        return done(self._values.exists(key), self._io)

    def ttl(self, key: str) -> float | None:
        """Seconds left; None: for ever. Raises KeyError if there is no such key."""
        return done(self._values.ttl(key), self._io)

    def expire(self, key: str, ttl: float | None) -> bool:
        """A new time to live from now on; whether there is such a key."""
        return done(self._values.expire(key, ttl), self._io)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those keys that are there."""
        return done(self._values.get_many(keys), self._io)

    def set_many(self, items: Mapping[str, object], ttl: float | Keep | None = "default") -> bool:
        """Whether they were written. Not one step: others may see some of them first."""
        return done(self._values.set_many(items, ttl), self._io)

    def delete_many(self, keys: Iterable[str]) -> int:
        """How many there were."""
        return done(self._values.delete(keys), self._io)

    def incr(self, key: str, amount: int = 1, ttl: float | None = None) -> int:
        """Add to a counter, which begins with 0; its new value. `ttl` counts from its first use on.

        Never counted twice: where the answer was lost with the connection, Unavailable says that it may have
        been.
        """
        return done(self._values.add(key, amount, ttl), self._io)

    def decr(self, key: str, amount: int = 1, ttl: float | None = None) -> int:
        """As `incr`, downwards."""
        return done(self._values.add(key, amount, ttl, sign=-1), self._io)

    def change(self, key: str, function: Callable[[Any], Any], ttl: float | Keep | None = "default") -> Any:
        """What `function` makes of the value, with nobody's write in between; the new value. Never degrades.

        It gets None where there is no value, and None from it deletes. It may be called more than once, so it
        should be quick and do nothing else. Nothing is changed if it raises. `ttl` is kept unless given.
        """
        return done(self._values.change(key, function, ttl), self._io)

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin so, sorted. It reads all of the store's keys: not for each request."""
        return done(self._values.keys(prefix), self._io)

    def clear(self, prefix: str = "") -> int:
        """Delete the keys that begin so; how many. Refused where that would be every key of the store."""
        return done(self._values.clear(prefix), self._io)

    # JSON
    def get_json(self, key: str, path: str = ROOT, default: Any = None) -> Any:
        """What stands at a JSONPath of a document: a list of all, where the path can mean several places."""
        return done(self._documents.get(key, path, default), self._io)

    def set_json(
        self, key: str, value: Any, ttl: float | Keep | None = "default", *, path: str = ROOT
    ) -> bool:
        """Store a document, or replace what stands at a path of it, in one step; `ttl` is kept unless given.

        Raises WrongValue if there is no such place. A member that is new is added to the object around it.
        """
        return done(self._documents.set(key, value, ttl, path), self._io)

    # what is computed
    def get_or_compute(
        self,
        key: str,
        function: Callable[[], Any],
        ttl: float | Keep | None = "default",
        *,
        stale: float = STALE_SECONDS,
        beta: float = 1.0,
        lease: float = LEASE_SECONDS,
    ) -> Any:
        """The value; where there is none, what `function` returns, which is then stored.

        Of all threads and processes one computes; the others wait, or get the old value, which is kept for
        `stale` more seconds and is also what they get if `function` raises. `beta`: how eagerly a value is
        computed again before its end; 0: not before. `lease`: seconds for one computation; whoever waits
        longer computes, too. The clocks of the machines should agree to about a second.
        """
        return done(self._computed.get(key, function, ttl, stale, beta, lease), self._io)

    # locks
    @property
    def locks(self) -> Locks:
        """The locks themselves, for `acquire` and `extend`; their names get no prefix."""
        if self._locks is None:
            self._locks = self._make_locks()
        return self._locks

    @contextmanager
    def lock(self, name: str, ttl: float = LOCK_SECONDS, wait: float | None = None) -> Generator[int]:
        """Hold a lock inside `with`, which gives its fencing token: greater than that of every holder before.

        `ttl`: seconds after which others may take it. `wait`: at most so many seconds; None: for ever. Raises
        NotAcquired; and NotHeld at the end, if the time ran out meanwhile and the block itself raised
        nothing.
        """
        full = self._values.key(name).decode()
        most = None if wait is None else finite("wait", wait, 0)
        with held_lock(self.locks.acquire(full, lasting("ttl", ttl), most)) as token:
            yield token

    # checkpoints and workflows
    def save_checkpoint(self, name: str, data: object, ttl: float | Keep | None = "default") -> bool:
        """Keep a state of some work under a name, for seven days unless told otherwise. Never degrades."""
        return done(self._kept.save(CHECKPOINT, name, data, ttl), self._io)

    def load_checkpoint(self, name: str, default: Any = None) -> Any:
        return done(self._kept.load(CHECKPOINT, name, default), self._io)

    def delete_checkpoint(self, name: str) -> bool:
        return done(self._kept.delete(CHECKPOINT, name), self._io)

    def list_checkpoints(self, prefix: str = "") -> list[str]:
        return done(self._kept.names(CHECKPOINT, prefix), self._io)

    def set_workflow_state(
        self, workflow: str, state: Mapping[str, Any], ttl: float | Keep | None = "default"
    ) -> bool:
        return done(self._kept.save(WORKFLOW, workflow, kept.state(state), ttl), self._io)

    def get_workflow_state(self, workflow: str, default: Any = None) -> Any:
        return done(self._kept.load(WORKFLOW, workflow, default), self._io)

    def update_workflow_state(
        self, workflow: str, changes: Mapping[str, Any], ttl: float | Keep | None = "default"
    ) -> dict[str, Any]:
        """Change these members in one step; the whole new state; `ttl` is kept unless given."""
        return done(self._kept.update(workflow, changes, ttl), self._io)

    def delete_workflow_state(self, workflow: str) -> bool:
        return done(self._kept.delete(WORKFLOW, workflow), self._io)

    def list_workflows(self, prefix: str = "") -> list[str]:
        return done(self._kept.names(WORKFLOW, prefix), self._io)

    # looking after it
    def stats(self) -> dict[str, Any]:
        """What this process has seen, `hit_rate` in percent; `store`: what the store tells of all."""
        return done(self._values.stats(), self._io)

    def health_check(self) -> dict[str, Any]:
        """Whether a value can be written, read and deleted: `status`, `healthy`, `latency_ms`, `error`."""
        return done(self._values.health(), self._io)

    def cleanup(self) -> int:
        """Remove what has expired; how many. A server does that by itself: then it is 0."""
        return self.backend.cleanup()

    def cleanup_expired_checkpoints(self) -> int:
        """As `cleanup`."""
        return self.cleanup()

    def cleanup_expired_locks(self) -> int:
        """Remove what is left of locks that ran out; how many."""
        return self.locks.cleanup()

    def start_cleaning(self, every: float = CLEAN_SECONDS) -> None:
        """Clean up every so many seconds, in a thread that ends with the process or `close`."""
        pause = finite("every", every, 0.01)
        if self._cleaner is None:
            stop = self._stop = threading.Event()
            self._cleaner = threading.Thread(
                target=self._clean, args=(pause, stop), daemon=True, name="storage"
            )
            self._cleaner.start()

    def _clean(self, every: float, stop: threading.Event) -> None:
        from filewallball.storage.cleaning import attempt

        while not stop.wait(every):
            attempt(self.cleanup)
            attempt(self.cleanup_expired_locks)

    def check(self, *, fix: bool = False) -> Sequence[str]:
        """What is wrong in the store, one sentence each; with `fix`, mended where possible."""
        return self.backend.check(fix=fix)

    def backup(self, folder: str | Path) -> Path:
        """A copy of one moment, in a new file or folder below, while others write. Raises StorageError."""
        return self.backend.backup(Path(folder))

    def close(self) -> None:
        self._stop.set()
        self.backend.close()

    def __enter__(self) -> Storage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
