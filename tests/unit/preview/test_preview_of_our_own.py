"""Our own program: what changes of its settings cost, found by the kinds and labels of what it declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from filewallball.engine import render
from filewallball.preview.rendered import Rendered
from filewallball.preview.report import Report, report
from filewallball.redact import Redactor

ROOT = Path(__file__).parents[3]
CLAIM = "PersistentVolumeClaim"
BASE = """config:
  filewallball:cluster: {context: nowhere, kubeconfig: /nowhere/kubeconfig}
  filewallball:backup: {store: {inCluster: true}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("own")
    for part in (
        "Pulumi.yaml",
        "__main__.py",
        "settings.py",
        "components",
        "facts",
        "images",
        "filewallball",
    ):
        (made / part).symlink_to(ROOT / part)
    return made


def rendered(folder: Path, text: str) -> Rendered:
    (folder / "Pulumi.dev.yaml").write_text(text, encoding="utf-8")
    return Rendered(True, project="filewallball", resources=render(folder, "dev").resources)


@pytest.fixture(scope="module")
def base(folder: Path) -> Rendered:
    return rendered(folder, BASE)


def compared(old: Rendered, new: Rendered) -> Report:
    return report("dev", old, new, ("main", "the work tree"), ("agent", "toolkit"), Redactor())


@pytest.mark.parametrize(
    ("line", "worst", "op", "named"),
    [
        ("redis: {maxmemory: 200mb}", "cache", "update", "Deployment filewallball/redis"),
        ("mariadb: {image: 'x/mariadb:10.11.9'}", "downtime", "update", "StatefulSet filewallball/mariadb"),
        ("valkey: {image: 'x/valkey:8.1.9'}", "nothing", "update", "StatefulSet filewallball/valkey"),
        ("mariadb: {storage: {size: 1Gi}}", "refused", "replace", f"{CLAIM} filewallball/mariadb-data"),
        ("mariadb: {storage: {size: 9Gi}}", "nothing", "update", f"{CLAIM} filewallball/mariadb-data"),
        ("valkey: {storage: {size: 2Gi}}", "nothing", "update", f"{CLAIM} filewallball/data-valkey-0"),
        ("namespace: other", "data", "replace", f"{CLAIM} other/mariadb-data"),
        ("protect: false", "nothing", "", ""),
    ],
)
def test_a_setting_costs(folder: Path, base: Rendered, line: str, worst: str, op: str, named: str) -> None:
    found = compared(base, rendered(folder, f"{BASE}  filewallball:{line}\n"))
    assert found.worst == worst
    shown = {entry.title: entry.op for entry in found.shown()}
    assert shown.get(named, "") == op
    assert found.is_empty == (not op)
    # generated passwords are others at each run, and no change
    assert worst == "data" or not any(title.startswith("Secret ") for title in shown)


def test_of_our_own_images_only_what_restarts_is_told(folder: Path) -> None:
    old, new = (
        rendered(folder, f"{BASE}  filewallball:agent: {{image: 'registry/x/agent:{tag}'}}\n")
        for tag in (1, 2)
    )
    found = compared(old, new)
    assert found.worst == "cache"
    assert found.shown()[0].title == "Deployment filewallball/redis"
    assert "StatefulSet filewallball/valkey" in {entry.title for entry in found.shown()}
    assert not any(entry.loud for entry in found.shown())
