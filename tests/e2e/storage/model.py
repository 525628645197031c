"""What a storage must do, as a dictionary does it: a state machine that compares both after each call."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from filewallball.storage import WrongValue
from tests.e2e.storage.stores import Store

KEYS = st.sampled_from(["a", "b", "b:1", "파일", "x y*?[z]", "c" * 300])
NAMES = st.sampled_from(["w", "w:1"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
DOCUMENTS = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=6)
VALUES = DOCUMENTS | st.binary(max_size=50) | st.sampled_from(["5", "true", "!str x", math.inf, "x" * 5000])
TTLS = st.sampled_from([None, 20.0, 200.0])
MEMBERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
"""python-jsonpath takes no control characters in a path, not as \\u001f either."""
NOTHING = object()


class Model(RuleBasedStateMachine):
    """`make` gives the store of one run."""

    make: Callable[[], Store]

    @initialize()
    def start(self) -> None:
        self.store = self.make()
        self.real = self.store.storage
        self.values: dict[str, tuple[Any, float | None]] = {}
        self.now = 0.0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    def put(self, key: str, value: Any, ttl: float | None) -> None:
        self.values[key] = (value, None if ttl is None else self.now + ttl)

    def held(self, key: str) -> Any:
        return self.values.get(key, (NOTHING, None))[0]

    def same(self, found: Any, expected: Any) -> None:
        assert type(found) is type(expected)
        assert found == expected

    @rule(key=KEYS, value=VALUES, ttl=TTLS, when=st.sampled_from(["always", "new", "present"]))
    def set(self, key: str, value: Any, ttl: float | None, when: Any) -> None:
        written = when == "always" or (when == "new") == (key not in self.values)
        assert self.real.set(key, value, ttl, when=when) is written
        if written:
            self.put(key, value, ttl)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        self.same(self.real.get(key, NOTHING), self.held(key))
        assert self.real.exists(key) is (key in self.values)

    @rule(items=st.dictionaries(KEYS, VALUES, max_size=4), ttl=TTLS)
    def set_many(self, items: dict[str, Any], ttl: float | None) -> None:
        assert self.real.set_many(items, ttl) is True
        for key, value in items.items():
            self.put(key, value, ttl)

    @rule(keys=st.lists(KEYS, max_size=4))
    def get_many(self, keys: list[str]) -> None:
        assert self.real.get_many(keys) == {key: self.held(key) for key in keys if key in self.values}

    @rule(keys=st.lists(KEYS, max_size=3))
    def delete(self, keys: list[str]) -> None:
        count = sum(self.values.pop(key, None) is not None for key in set(keys))
        assert self.real.delete_many(keys) == count

    @rule(key=KEYS, amount=st.integers(-(10**6), 10**6), ttl=TTLS)
    def incr(self, key: str, amount: int, ttl: float | None) -> None:
        old, until = self.values.get(key, (0, None if ttl is None else self.now + ttl))
        if type(old) is int and abs(old + amount) < 1 << 63 and abs(old) < 1 << 63:
            assert self.real.incr(key, amount, ttl) == old + amount
            self.values[key] = (old + amount, until)
        else:
            with pytest.raises(WrongValue):
                self.real.incr(key, amount, ttl)

    @rule(key=KEYS, ttl=TTLS)
    def expire(self, key: str, ttl: float | None) -> None:
        assert self.real.expire(key, ttl) is (key in self.values)
        if key in self.values:
            self.put(key, self.held(key), ttl)

    @rule(key=KEYS)
    def ttl(self, key: str) -> None:
        if key not in self.values:
            with pytest.raises(KeyError):
                self.real.ttl(key)
        elif (until := self.values[key][1]) is None:
            assert self.real.ttl(key) is None
        else:
            assert until - self.now - 10 < self.real.ttl(key) <= until - self.now + 0.01

    @rule(key=KEYS, member=MEMBERS, value=DOCUMENTS)
    def set_in_document(self, key: str, member: str, value: Any) -> None:
        path = f"$[{quoted(member)}]"
        held = self.held(key)
        if isinstance(held, dict):
            self.real.set_json(key, value, path=path)
            self.values[key] = ({**held, member: value}, self.values[key][1])
            self.same(self.real.get_json(key, path), value)
        else:
            with pytest.raises(WrongValue):
                self.real.set_json(key, value, path=path)

    @rule(key=KEYS, value=VALUES, ttl=st.one_of(TTLS, st.just("default")))
    def change(self, key: str, value: Any, ttl: Any) -> None:
        seen: list[Any] = []
        self.real.change(key, lambda old: seen.append(old) or value, ttl)
        self.same(seen[-1], self.held(key) if key in self.values else None)
        if value is None:
            self.values.pop(key, None)
        elif ttl == "default":
            self.values[key] = (value, self.values.get(key, (None, None))[1])
        else:
            self.put(key, value, ttl)

    @rule(key=KEYS, value=VALUES, ttl=st.sampled_from([20.0, 200.0]))
    def get_or_compute(self, key: str, value: Any, ttl: float) -> None:
        found = self.real.get_or_compute(key, lambda: value, ttl, stale=0, beta=0)
        if key not in self.values:
            self.put(key, value, ttl)
        self.same(found, self.held(key))
        if key in self.values:  # its frame is no number: counters and documents are set by set()
            self.real.set(key, found, None)
            self.put(key, found, None)

    @rule(name=NAMES, changes=st.dictionaries(TEXTS, DOCUMENTS, max_size=2))
    def update_workflow(self, name: str, changes: dict[str, Any]) -> None:
        key = f"workflow:{name}"
        state = {**(self.held(key) if key in self.values else {}), **changes}
        assert self.real.update_workflow_state(name, changes) == state
        self.values[key] = (state, self.values.get(key, (None, None))[1])
        assert self.real.get_workflow_state(name) == state

    @rule(name=NAMES, data=VALUES, ttl=TTLS)
    def save_checkpoint(self, name: str, data: Any, ttl: float | None) -> None:
        self.real.save_checkpoint(name, data, ttl)
        self.put(f"checkpoint:{name}", data, ttl)

    @rule(name=NAMES)
    def load_checkpoint(self, name: str) -> None:
        self.same(self.real.load_checkpoint(name, NOTHING), self.held(f"checkpoint:{name}"))

    @rule(prefix=st.sampled_from(["b", "checkpoint:", "파", "x y*", "nothing"]))
    def clear(self, prefix: str) -> None:
        gone = [key for key in self.values if key.startswith(prefix)]
        assert self.real.clear(prefix) == len(gone)
        for key in gone:
            del self.values[key]

    @rule(seconds=st.sampled_from([10.0, 100.0, 300.0]))
    def let_pass(self, seconds: float) -> None:
        self.store.let_pass(seconds)
        self.now += seconds
        self.values = {
            key: (value, until)
            for key, (value, until) in self.values.items()
            if until is None or until > self.now
        }

    @rule()
    def clean(self) -> None:
        self.real.cleanup()
        assert list(self.real.check()) == []
        assert self.real.health_check()["healthy"]
        assert self.real.stats()["store"]

    @invariant()
    def the_keys_are_the_same(self) -> None:
        if hasattr(self, "real"):
            assert self.real.keys() == sorted(self.values)


def quoted(text: str) -> str:
    r"""As JSONPath wants a name: in single quotes, with \ before what would end it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
