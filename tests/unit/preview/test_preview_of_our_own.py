"""Our own program: what changes of its settings cost, found by the kinds and labels of what it declares."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest

from filewallball.engine import render
from filewallball.preview.costs import worst
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


SERVERS = """
  filewallball:redis: {maxmemory: 200mb}
  filewallball:mariadb: {image: 'x/mariadb:10.11.9', storage: {size: 9Gi}}
  filewallball:valkey: {image: 'x/valkey:8.1.9', storage: {size: 2Gi}}
"""
SMALLER = "  filewallball:mariadb: {storage: {size: 1Gi}}\n"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            SERVERS,
            {
                "Deployment filewallball/redis": ("update", "cache"),
                "StatefulSet filewallball/mariadb": ("update", "downtime"),
                "StatefulSet filewallball/valkey": ("update", "nothing"),
                f"{CLAIM} filewallball/mariadb-data": ("update", "nothing"),
                f"{CLAIM} filewallball/data-valkey-0": ("update", "nothing"),
            },
        ),
        (SMALLER, {f"{CLAIM} filewallball/mariadb-data": ("replace", "refused")}),
        (
            "  filewallball:tls: {enabled: true}\n",
            {
                "StatefulSet filewallball/valkey": ("replace", "sessions"),
                "StatefulSet filewallball/valkey-sentinel": ("replace", "sessions"),
                "StatefulSet filewallball/mariadb": ("update", "downtime"),
                "Deployment filewallball/redis": ("update", "cache"),
                f"{CLAIM} filewallball/data-valkey-0": None,
            },
        ),
        (
            "  filewallball:namespace: other\n",
            {
                f"{CLAIM} other/mariadb-data": ("replace", "data"),
                "StatefulSet other/valkey": ("replace", "sessions"),
                "StatefulSet other/mariadb": ("replace", "downtime"),
            },
        ),
    ],
)
def test_a_setting_costs(
    folder: Path, base: Rendered, more: str, expected: dict[str, tuple[str, str] | None]
) -> None:
    found = compared(base, rendered(folder, BASE + more))
    told = {entry.title: (entry.op, worst(entry.costs)) for entry in found.shown()}
    assert {title: told.get(title) for title in expected} == expected


def test_without_encryption_again_the_session_servers_are_made_anew_too(folder: Path, base: Rendered) -> None:
    encrypted = rendered(folder, BASE + "  filewallball:tls: {enabled: true}\n")
    replaced = {entry.title for entry in compared(encrypted, base).shown() if entry.op == "replace"}
    assert {"StatefulSet filewallball/valkey", "StatefulSet filewallball/valkey-sentinel"} <= replaced
    for each in (*base.resources, *encrypted.resources):
        # By their fixed names the new ones can't be made beside the old ones.
        assert each.options.delete_before_replace == bool(each.options.replace_on_changes), each.name


def test_another_run_changes_nothing_though_passwords_are_generated(folder: Path, base: Rendered) -> None:
    assert compared(base, rendered(folder, BASE)).title == "dev against main: no changes"


def test_of_our_own_images_only_what_restarts_is_told(base: Rendered) -> None:
    new = copy.deepcopy(base)
    for each in new.resources:
        text = json.dumps(each.props)
        each.props = json.loads(re.sub(r"filewallball/(agent|toolkit):\w+", r"filewallball/\1:0123", text))
    found = compared(base, new)
    assert found.worst == "cache"
    assert found.shown()[0].title == "Deployment filewallball/redis"
    assert "StatefulSet filewallball/valkey" in {entry.title for entry in found.shown()}
    assert "CronJob filewallball/filewallball-backup-cronjob" in {entry.title for entry in found.folded()}
    assert not any(entry.loud for entry in found.entries)
