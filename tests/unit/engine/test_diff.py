from __future__ import annotations

from typing import Any

import pytest

from filewallball.engine.showing.diff import Change, changes, keep_ignored, parse, touches


def obj(**parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, **parts}


def labels_of(found: list[Change]) -> list[tuple[str, Any, Any]]:
    return [(each.label, each.before, each.after) for each in found]


def test_lists_of_named_things_compare_by_name() -> None:
    before = obj(spec={"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]})
    after = obj(
        spec={"containers": [{"name": "new"}, {"name": "a", "image": "2"}, {"name": "b", "image": "1"}]}
    )
    assert labels_of(changes(before, after)) == [
        ("spec.containers[a].image", "1", "2"),
        ("spec.containers[new]", None, {"name": "new"}),
    ]


def test_other_lists_compare_by_index() -> None:
    assert labels_of(changes(obj(args=["a", "b"]), obj(args=["a", "c", "d"]))) == [
        ("args[1]", "b", "c"),
        ("args[2]", None, "d"),
    ]


def test_keys_with_dots_are_quoted() -> None:
    [found] = changes(obj(data={"redis.conf": "a"}), obj(data={"redis.conf": "b"}))
    assert found.label == 'data["redis.conf"]'


def test_the_servers_and_the_engines_bookkeeping_is_no_change() -> None:
    before = obj(status={"phase": "A"})
    before["metadata"] |= {
        "resourceVersion": "1",
        "uid": "u",
        "annotations": {"fwb.filewallball.io/urn": "old"},
    }
    after = obj(status={"phase": "B"})
    after["metadata"] |= {"resourceVersion": "2", "labels": {"fwb.filewallball.io/stack": "a.b"}}
    assert changes(before, after) == []


def test_secret_values_are_masked() -> None:
    before = {**obj(data={"p": "YQ==", "gone": "Yg=="}), "kind": "Secret"}
    after = {**obj(data={"p": "Yw==", "new": "ZA=="}), "kind": "Secret"}
    assert labels_of(changes(before, after)) == [
        ("data.p", "[secret]", "[secret]"),
        ("data.gone", "[secret]", None),
        ("data.new", None, "[secret]"),
    ]
    assert labels_of(changes(obj(a={"b": {"c": 1}}), obj(a={"b": {"c": 2}}), [("a", "b")])) == [
        ("a.b.c", "[secret]", "[secret]")
    ]
    assert labels_of(changes(obj(), obj(a={"b": {"c": 2}}), [("a", "b")])) == [("a", None, "[secret]")]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("data", ("data",)),
        ("spec.replicas", ("spec", "replicas")),
        ('metadata.annotations["a.b/c"]', ("metadata", "annotations", "a.b/c")),
        ("spec.containers[0].image", ("spec", "containers", 0, "image")),
        ("spec.containers[*].image", ("spec", "containers", "*", "image")),
        ("stringData.password", ("data", "password")),
    ],
)
def test_paths_in_pulumis_notation(text: str, steps: tuple[str | int, ...]) -> None:
    assert parse(text) == steps


def test_ignored_properties_are_sent_back_as_they_are() -> None:
    live = obj(
        data={"a": "live", "extra": "1"},
        spec={"replicas": 7, "list": [{"image": "live"}, {"image": "live2"}]},
    )
    wanted = obj(
        data={"a": "new"}, spec={"replicas": 1, "list": [{"image": "n"}, {"image": "n2"}], "other": 1}
    )
    paths = ("data", "spec.replicas", "spec.list[*].image", "spec.other", "spec.absent.below")
    assert keep_ignored(wanted, live, paths) == obj(
        data={"a": "live", "extra": "1"},
        spec={"replicas": 7, "list": [{"image": "live"}, {"image": "live2"}]},
    )
    assert wanted["data"] == {"a": "new"}, "the declaration itself is left alone"


def test_touches() -> None:
    found = [Change(("spec", "list", "[main]", "image"), 1, 2)]
    assert touches(found, ("spec",))
    assert touches(found, ("spec.list[0].image",))
    assert touches(found, ("spec.list[*]",))
    assert not touches(found, ("data", "spec.replicas"))
