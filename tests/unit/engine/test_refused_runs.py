"""A run that is refused leaves the cluster as it found it: no record, no lock, no object."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_kube import FakeKube
from test_guards import Place, claim, declared, thing

from filewallball.engine import destroy, native, preview, up
from filewallball.engine import run as module
from filewallball.engine.commands import Flags, execute
from filewallball.engine.ownership.record import LABEL, Record, Store
from filewallball.errors import ConfigError, UserError
from filewallball.kube import KubeError

PULUMI = {"managedFields": [{"manager": "pulumi-kubernetes-1a2b"}]}
KUBECTL = {"managedFields": [{"manager": "kubectl"}]}


@pytest.fixture(name="place")
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    kube = FakeKube()
    monkeypatch.setattr(module, "connect", lambda *_: kube)
    monkeypatch.setattr(native, "connect", lambda *_: kube)
    made = Place(tmp_path, kube)
    made.declare(
        ("shop", "Namespace", {"name": "shop"}, []),
        ("settings", "ConfigMap", {"name": "settings", "namespace": "shop"}, []),
    )
    return made


def lease(place: Place) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "fwb-t-dev", "namespace": "default"},
        "spec": {
            "holderIdentity": "kim@laptop", "leaseDurationSeconds": 30, "acquireTime": now, "renewTime": now,
        },
    }  # fmt: skip


def record_of_pulumi(place: Place) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "fwb-t-dev", "namespace": "default"},
        "data": {"engine": "pulumi", "kinds": "[]", "outputs": "{}"},
    }


def moved(place: Place) -> dict[str, Any]:
    place.declare(declared("data", "data", "elsewhere"))
    return claim("data", "shop")


FOUND: dict[str, Callable[[Place], dict[str, Any]]] = {
    "locked": lease,
    "owned by the CLI": record_of_pulumi,
    "an object of the CLI": lambda _: thing("ConfigMap", "settings", **PULUMI),
    "an object of somebody": lambda _: thing("ConfigMap", "settings", **KUBECTL),
    "an object of another stack": lambda _: thing("ConfigMap", "settings", labels={LABEL: "shop.prd"}),
    "a claim that would move": moved,
}


@pytest.mark.parametrize("case", FOUND)
def test_a_refused_up_leaves_nothing(place: Place, case: str) -> None:
    place.kube.create(FOUND[case](place))
    before = copy.deepcopy(place.kube.objects)
    with pytest.raises(UserError):
        place.run(up)
    assert place.kube.objects == before


@pytest.mark.parametrize("case", ["owned by the CLI", "an object of the CLI"])
def test_a_refused_up_is_followed_by_a_refused_destroy(place: Place, case: str) -> None:
    place.kube.create(FOUND[case](place))
    before = copy.deepcopy(place.kube.objects)
    for command in (up, destroy, destroy):
        with pytest.raises(UserError, match="Pulumi CLI"):
            place.run(command)
    assert place.kube.objects == before


def test_destroy_refuses_beside_a_record_that_an_older_version_has_left(place: Place) -> None:
    place.kube.create(thing("ConfigMap", "settings", **PULUMI))
    Store(place.kube, "t", "dev").save(Record(kinds={"/ConfigMap", "/Namespace"}))  # type: ignore[arg-type]
    with pytest.raises(
        UserError, match="Nothing was deleted: ConfigMap shop/settings was made by the Pulumi"
    ):
        place.run(destroy)


def test_a_program_that_refuses_its_settings_leaves_nothing(place: Place) -> None:
    main = place.folder / "__main__.py"
    main.write_text("class SettingsError(Exception): exit_code = 2\nraise SettingsError('no')\n", "utf-8")
    with pytest.raises(ConfigError):
        place.run(up)
    assert place.kube.objects == {}


def test_a_program_that_fails_only_when_it_runs_live_leaves_nothing(place: Place) -> None:
    main = place.folder / "__main__.py"
    text = main.read_text("utf-8")
    main.write_text("import pulumi\nif not pulumi.runtime.is_dry_run(): raise OSError('x')\n" + text, "utf-8")
    with pytest.raises(UserError):
        place.run(up)
    assert place.kube.objects == {}


@pytest.mark.parametrize("reason", ["Forbidden", "Invalid"])
def test_a_policy_of_the_cluster_that_refuses_all_leaves_nothing(
    place: Place, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = place.kube.apply

    def denied(manifest: dict[str, Any], **options: Any) -> dict[str, Any]:
        if manifest["metadata"]["name"] == "fwb-t-dev":
            return real(manifest, **options)
        raise KubeError(403, reason, "denied by a policy")

    monkeypatch.setattr(place.kube, "apply", denied)
    assert place.run(up).exit_code == 1
    assert place.kube.objects == {}


def test_what_was_made_before_a_failure_is_remembered(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = place.kube.apply

    def denied(manifest: dict[str, Any], **options: Any) -> dict[str, Any]:
        if manifest["metadata"]["name"] == "settings":
            raise KubeError(403, "Forbidden", "denied by a policy")
        return real(manifest, **options)

    monkeypatch.setattr(place.kube, "apply", denied)
    assert place.run(up).exit_code == 1
    assert place.has("Namespace", "shop") == place.has("ConfigMap", "fwb-t-dev", "default")


def test_a_no_at_the_question_changes_nothing(place: Place) -> None:
    place.run(up)
    before = copy.deepcopy(place.kube.objects)
    with pytest.raises(UserError, match="Nothing was deleted"):
        place.run(destroy, confirm=lambda _: False)
    assert place.kube.objects == before


@pytest.mark.parametrize(("made", "kept"), [(False, False), (True, True)])
def test_an_up_of_the_cli_that_fails_is_recorded_only_if_it_made_something(
    place: Place, made: bool, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def declined(*_: object) -> int:
        assert place.has("ConfigMap", "fwb-t-dev", "default"), "nobody else may begin meanwhile"
        if made:
            place.kube.create(thing("ConfigMap", "settings", **PULUMI))
        return 255

    monkeypatch.setattr(native, "choose", lambda _: "pulumi")
    monkeypatch.setattr(native, "_pulumi", declined)
    assert execute("up", place.folder, "dev", Flags(0)) == 255
    assert place.has("ConfigMap", "fwb-t-dev", "default") == kept


@pytest.mark.parametrize(("code", "found", "ended"), [(0, 0, 0), (0, 1, 1), (255, 1, 255), (255, 0, 255)])
def test_what_the_checks_found_is_told_after_an_up_of_the_cli_however_it_ended(
    place: Place, code: int, found: int, ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def after(deployed: bool) -> tuple[int, list[dict[str, Any]]]:
        told.append(deployed)
        return found, []

    monkeypatch.setattr(native, "choose", lambda _: "pulumi")
    monkeypatch.setattr(native, "_pulumi", lambda *_: code)
    assert execute("up", place.folder, "dev", Flags(0), after=after) == ended
    assert told == [code == 0]


FOREIGN = """
import pulumi

aws = pulumi.ProviderResource("aws", "aws", {"region": "eu-central-1"})
by = pulumi.ResourceOptions(provider=aws)
pulumi.CustomResource("aws:s3/bucket:Bucket", "backups", {"bucket": "b"}, by)
"""


def test_what_another_provider_makes_is_previewed_and_refused(place: Place) -> None:
    main = place.folder / "__main__.py"
    main.write_text(main.read_text() + FOREIGN)
    result = place.run(preview)
    assert result.counts == {"create": 2, "foreign": 1}
    assert "1 to look at with the Pulumi CLI" in place.said
    with pytest.raises(UserError, match="aws:s3/bucket:Bucket backups") as raised:
        place.run(up)
    assert "Install the Pulumi CLI" in raised.value.hint
    assert place.kube.objects == {}
