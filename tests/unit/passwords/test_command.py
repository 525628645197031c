"""What can be wrong with the command's words, and who holds passwords."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from filewallball import stack
from filewallball.errors import ConfigError
from filewallball.passwords import cluster, command
from filewallball.passwords.command import duration
from filewallball.passwords.proof.logins import Login
from filewallball.passwords.servers import SERVERS, logins, select


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("0s", 0), ("90s", 90), ("10m", 600), ("2h", 7200), ("168h", 604800)]
)
def test_times(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "-1m", "1d", "m", "1.5h", "10 m", "169h", "9999999s", "٣m"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match="--grace") as caught:
        duration(text)
    assert "10m" in caught.value.hint


def test_servers_by_name() -> None:
    assert [one.name for one in select("")] == ["mariadb", "redis", "valkey"]
    with pytest.raises(ConfigError, match="no server maria") as caught:
        select("maria")
    assert "mariadb" in caught.value.hint


def test_every_user_logs_in_at_every_pod() -> None:
    sizes = {"valkey": 3, "valkey-sentinel": 5}
    told = {user: ["new", "old"] for user in SERVERS["valkey"].users}
    found = logins(SERVERS["valkey"], sizes, told, follows=True)
    assert len(found) == 3 * 6 + 5 * 3
    assert {one.user for one in found if one.server == "valkey-0"} == {
        "default", "checks", "backup", "replica", "watch", "agent",
    }  # fmt: skip
    assert {one.answer for one in found if one.asks} == {"new"}
    assert len([one for one in found if one.asks]) == 3 + 5
    assert Login.from_json({**{field: getattr(found[0], field) for field in found[0].__slots__}}) == found[0]


REF = {"secretKeyRef": {"name": "redis-credentials", "key": "app-password"}}


@pytest.mark.parametrize(
    ("spec", "use"),
    [
        ({"containers": [{"env": [{"name": "P", "valueFrom": REF}]}]}, "environment"),
        ({"containers": [{"envFrom": [{"secretRef": {"name": "redis-credentials"}}]}]}, "environment"),
        ({"containers": [{}], "initContainers": [{"env": [{"valueFrom": REF}]}]}, "environment"),
        ({"containers": [{"env": [{"name": "P", "value": "x"}]}]}, ""),
        ({"containers": [{}], "volumes": [{"secret": {"secretName": "redis-credentials"}}]}, "files"),
        (
            {
                "containers": [{}],
                "volumes": [{"projected": {"sources": [{"secret": {"name": "redis-credentials"}}]}}],
            },
            "files",
        ),
        ({"containers": [{}], "volumes": [{"secret": {"secretName": "other"}}, {"emptyDir": {}}]}, ""),
    ],
)
def test_how_a_pod_has_a_secret(spec: dict[str, Any], use: str) -> None:
    assert cluster._use(spec, {"redis-credentials"}) == use


def test_the_job_reaches_only_what_it_asks() -> None:
    manifest = cluster.job_manifest("n", "ns", "image", "Always", {"filewallball.io/access-redis": "true"})
    assert manifest["spec"]["suspend"] is True
    assert manifest["spec"]["template"]["metadata"]["labels"]["filewallball.io/access-redis"] == "true"
    one = Login("valkey-sentinel-3", "redis", "h", 1, "u", ("p",))
    assert cluster._access([one]) == ["valkey"]
    assert "'p'" not in repr(one)


@pytest.mark.parametrize(("server", "grace"), [("maria", "10m"), ("", "soon"), ("redis", "-1s")])
def test_wrong_words_end_before_the_cluster_is_asked(
    server: str, grace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "find", lambda *_: pytest.fail("the cluster was asked"))
    for run in (command.rotate, command.undo):
        with pytest.raises(ConfigError) as caught:
            run(tmp_path, "dev", server, grace)
        assert caught.value.exit_code == 2
        assert caught.value.hint
