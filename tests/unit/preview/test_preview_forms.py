"""The comment and the page: what stands where, what is cut, and that nothing in them is taken for markup."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from filewallball.engine.program.resources import Resource
from filewallball.preview.digest import digest
from filewallball.preview.markdown import LIMIT, code, markdown, plain, size
from filewallball.preview.page import page
from filewallball.preview.rendered import Rendered
from filewallball.preview.report import Report, report
from filewallball.preview.text import text
from filewallball.redact import Redactor
from tests.unit.preview.made_trees import resource, workload

GOLDEN = Path(__file__).parent / "golden"
OLD_TAG, NEW_TAG = "shop/agent:0123456789ab", "shop/agent:ba9876543210"


def trees() -> tuple[list[Resource], list[Resource]]:
    """Two trees with one of each sort of change."""
    redis = workload("Deployment", "redis", "cache", OLD_TAG)
    valkey = workload("StatefulSet", "valkey", "sessions", OLD_TAG, replicas=3)
    nightly = resource("batch/v1/CronJob", "nightly", {"spec": {"image": "registry/x/toolkit:1"}})
    config = resource("v1/ConfigMap", "config", {"data": {"redis.conf": "a 1\nb 2\nc 3\nd 4\ne 5\nf 6\n"}})
    config.provider = "urn::p::id"
    old = [
        resource("v1/PersistentVolumeClaim", "gone"),
        workload("StatefulSet", "db", "database", serviceName="a", replicas=1),
        redis,
        valkey,
        nightly,
        config,
        resource("v1/Secret", "login", {"data": {"password": "b2xkLXBhc3N3b3Jk"}}),
        resource("v1/ConfigMap", "same"),
    ]
    new = copy.deepcopy(old[1:])
    new[0].props["spec"]["serviceName"] = "b"
    for each in new[1:3]:
        each.props["spec"]["template"]["spec"]["containers"][0]["image"] = NEW_TAG
        each.props["spec"]["template"]["metadata"]["annotations"] = {"checksum/config": "x"}
    for each in old[2:4]:
        each.props["spec"]["template"]["metadata"]["annotations"] = {"checksum/config": "y"}
    new[3].props["spec"]["image"] = "registry/x/toolkit:2"
    new[4].props["data"]["redis.conf"] = "a 1\nb 2\nc 3\nd 5\ne 5\nf 6\n"
    new[5].props["data"]["password"] = "bmV3LXBhc3N3b3Jk"
    return old, [*new, resource("v1/Service", "extra")]


def made(old: list[Resource], new: list[Resource], redactor: Redactor | None = None) -> Report:
    provider = resource("v1/P", "p")
    provider.urn, provider.type = "urn::p", "pulumi:providers:kubernetes"
    provider.props = {"enableConfigMapMutable": True, "enableSecretMutable": True}
    for each in (*old, *new):
        each.provider = "urn::p::id"
    before, after = (Rendered(True, project="shop", resources=[provider, *found]) for found in (old, new))
    return report("dev", before, after, ("main", "the work tree"), ("toolkit",), redactor or Redactor())


@pytest.mark.parametrize("form", ["comment.md", "page.html", "lines.txt"])
def test_golden(form: str) -> None:
    redactor = Redactor()
    redactor.add_secret_object({"data": {"a": "b2xkLXBhc3N3b3Jk", "b": "bmV3LXBhc3N3b3Jk"}})
    found = made(*trees(), redactor)
    told = {
        "comment.md": lambda: markdown(found, "in `dev.html`"),
        "page.html": lambda: re.sub(
            r"<style>.*</style>", "<style></style>", page(found, redactor), flags=re.DOTALL
        ),
        "lines.txt": lambda: text(found),
    }[form]()
    assert "bmV3" not in told
    assert told == (GOLDEN / form).read_text(encoding="utf-8")


def test_the_digest_has_the_shape_of_the_clis() -> None:
    found = digest(made(*trees()), Redactor())
    assert found["changeSummary"] == {"create": 1, "delete": 1, "replace": 1, "same": 3, "update": 5}
    by_name = {step["urn"].rpartition("::")[2]: step for step in found["steps"]}
    replaced = by_name["db"]
    assert (replaced["op"], replaced["replaceReasons"], replaced["diffReasons"]) == (
        "replace",
        ["spec"],
        ["spec"],
    )
    assert replaced["detailedDiff"] == {"spec.serviceName": {"kind": "update-replace", "inputDiff": True}}
    assert replaced["oldState"]["inputs"]["spec"]["serviceName"] == "a"
    image = "spec.template.spec.containers[0].image"
    assert by_name["redis"]["detailedDiff"][image] == {"kind": "update", "inputDiff": True}
    assert by_name["login"]["newState"]["inputs"]["data"] == {"password": "[secret]"}
    assert "newState" not in by_name["gone"]
    assert "oldState" not in by_name["extra"]
    assert by_name["extra"]["detailedDiff"] is None


def test_a_comment_is_cut_between_resources_and_says_what_it_leaves_out() -> None:
    old = [
        resource("v1/ConfigMap", f"m{number:03}", {"data": {"text": "old\n" * 150}}) for number in range(200)
    ]
    new = copy.deepcopy(old)
    for each in new:
        each.props["data"]["text"] = "new\U0001f600\n" * 150
    told = markdown(made(old, new), "in `dev.html`")
    assert 60_000 < size(told) <= LIMIT
    assert told.count("```diff") == told.count("\n  ```\n")
    left_out = re.search(r"\*\*Left out here\*\*.*: (\d+) \(.*\)\. The whole is in `dev.html`\.\n$", told)
    assert left_out
    assert told.count("```diff") + int(left_out[1]) == 200
    assert told == markdown(made(old, new), "in `dev.html`")


def test_one_resource_that_is_too_long_is_named_with_its_cost() -> None:
    old = workload("StatefulSet", "db", "database", serviceName="a", replicas=1)
    new = copy.deepcopy(old)
    new.props["spec"]["template"]["metadata"] = {"annotations": {"long": "x y\n" * 40_000}}
    told = markdown(made([old], [new]), "in `dev.html`")
    assert "**downtime**: " in told
    assert "left out here" in told
    assert size(told) < LIMIT


NASTY = "``` </details> <script>alert(1)</script> @someone <!-- x --> | ```` end"


def test_nothing_of_the_program_is_taken_for_markup() -> None:
    old = [resource("v1/ConfigMap", "m", {"data": {"a": "x", NASTY: "1"}})]
    new = copy.deepcopy(old)
    new[0].props["data"] = {"a": f"{NASTY}\n{NASTY}", NASTY: "2"}
    found = made(old, new)
    found.notes.append(NASTY)
    told = markdown(found, "in `dev.html`")
    fences = re.findall(r"^  (`{5,})(?:diff)?$", told, re.MULTILINE)
    assert len(fences) == 2
    outside = told.partition("`````diff")[0]
    assert "<script" not in outside.replace("\\<", "")
    assert "@someone" not in outside

    class Tags(HTMLParser):
        seen: set[str] = set()  # noqa: RUF012 - of this one test

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            del attrs
            self.seen.add(tag)

    Tags().feed(page(found, Redactor()))
    assert "script" not in Tags.seen
    assert {"details", "pre", "meta"} <= Tags.seen


def test_the_page_loads_nothing() -> None:
    told = page(made(*trees()), Redactor())
    assert "default-src 'none'" in told
    assert not re.search(r"<(script|link|img|iframe)|\b(src|href)=|url\(", told)
    assert "prefers-color-scheme: dark" in told
    assert "width=device-width" in told


@pytest.mark.parametrize(("name", "expected"), [("a", "`a`"), ("a`b", "`` a`b ``"), ("a\nb", "`a b`")])
def test_code(name: str, expected: str) -> None:
    assert code(name) == expected


def test_plain() -> None:
    assert plain("*a* <b> @c [d](e)\n#f") == "\\*a\\* \\<b\\> @\u200bc \\[d\\](e) #\u200bf"


VERSION = "app.kubernetes.io/version"
NOISE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"metadata": {"labels": {VERSION: "1"}}}, {"metadata": {"labels": {VERSION: "2"}}}),
    ({"metadata": {"annotations": {"a/b": "0123abcd"}}}, {"metadata": {"annotations": {"a/b": "4567cdef"}}}),
    ({"image": "r.example:5000/x/toolkit@sha256:0123"}, {"image": "r.example:5000/x/toolkit@sha256:4567"}),
    ({"args": ["--image=shop/agent:1"]}, {"args": ["--image=shop/agent:2"]}),
]  # fmt: skip
LOUD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"image": "mariadb:10.11"}, {"image": "mariadb:11"}),
    ({"image": "shop/agent:1"}, {"image": "other/agent2:1"}),
    ({"metadata": {"annotations": {"a/b": "yes"}}}, {"metadata": {"annotations": {"a/b": "no"}}}),
    ({"data": {"key": "0123abcd"}}, {"data": {"key": "4567cdef"}}),
    ({"metadata": {"labels": {"version": "1"}}}, {"metadata": {"labels": {"version": "2"}}}),
]


@pytest.mark.parametrize(
    ("before", "after", "folded"), [(*each, True) for each in NOISE] + [(*each, False) for each in LOUD]
)
def test_what_is_folded(before: dict[str, Any], after: dict[str, Any], folded: bool) -> None:
    found = made(
        [resource("v1/Thing", "x", copy.deepcopy(before))], [resource("v1/Thing", "x", copy.deepcopy(after))]
    )
    assert [entry.folded for entry in found.entries] == [folded]
    assert found.title.endswith("nothing but checksums, image tags and version labels") is folded
