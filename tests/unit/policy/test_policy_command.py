"""`fwb policy`: a stack or a state, levels by configuration, and no secret told."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_project import ROOT, fwb, project
from policy_cases import CANARY, ENV, pod
from registrations import RESTRICTED_POD, Registration, changed, kube, with_pod

from filewallball.errors import UserError
from filewallball.policy import command

Told = Callable[..., tuple[int, str]]
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
DEV = (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy").symlink_to(ROOT / "policy")
    return project(tmp_path, DEV)


def exported(folder: Path, *resources: Registration) -> Path:
    """A state as `pulumi stack export` writes it."""
    path = folder / "state.json"
    written = [
        {
            "urn": each["urn"],
            "type": each["type"],
            "custom": True,
            "inputs": each["props"],
            "outputs": {**each["props"], "__inputs": each["props"]},
            **{key: each[key] for key in ("protect", "delete") if key in each},
        }
        for each in resources
    ]
    path.write_text(json.dumps({"version": 3, "deployment": {"resources": written}}), encoding="utf-8")
    return path


@pytest.fixture
def told(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the command in this process: its exit code, and all that it says."""

    def run(
        stack: str | None = None,
        *,
        state: Path | None = None,
        config: Path | None = None,
        as_json: bool = False,
    ) -> tuple[int, str]:
        try:
            code = command.execute(folder, stack, state, config, as_json=as_json)
        except UserError as error:
            return error.exit_code, str(error)
        return code, capsys.readouterr().out

    return run


def test_our_own_stack_passes_and_the_outcome_is_one_line(folder: Path) -> None:
    done = fwb("policy", "dev", folder=folder)
    assert done.returncode == 0, done.stderr
    assert b"OK: 0 mandatory, 0 advisory" in done.stdout


def test_levels_come_from_the_configuration(folder: Path, told: Told) -> None:
    bad = pod(ENV, [{"name": "PASSWORD", "value": CANARY}])
    state, config = exported(folder, *bad), folder / "levels.json"
    alone = {"all": "disabled", "secret-in-env": {"enforcementLevel": "mandatory"}}
    for levels, code, shown in (
        ({}, 1, "mandatory secret-in-env"),
        ({"secret-in-env": "advisory", "default-deny": "disabled"}, 0, "advisory secret-in-env"),
        (alone, 1, "1 mandatory, 0 advisory"),
    ):
        config.write_text(json.dumps(levels), encoding="utf-8")
        found = told(state=state, config=config)
        assert (found[0], shown in found[1]) == (code, True), found[1]
        assert CANARY not in found[1]


@pytest.mark.parametrize(
    ("levels", "path", "mend"),
    [
        ({"image-digest": "strict"}, "image-digest", "advisory, mandatory, remediate, disabled"),
        ({"image-digets": "advisory"}, "image-digets", "Did you mean image-digest?"),
        ({"image-tag": {"enforcementLevel": 1}}, "image-tag.enforcementLevel", "Write one of"),
        ({"image-registry": {"registries": "ghcr.io"}}, "image-registry.registries", "no list of texts"),
        ({"image-registry": {"registry": []}}, "image-registry.registry", "registries"),
        (["image-tag"], "must be a mapping", "image-digest"),
    ],
)
def test_a_wrong_configuration_is_refused(
    folder: Path, told: Told, levels: Any, path: str, mend: str
) -> None:
    config = folder / "levels.json"
    config.write_text(json.dumps(levels), encoding="utf-8")
    code, text = told(state=exported(folder), config=config)
    assert code == 2
    assert path in text
    assert mend in text


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 3}', '{"deployment": {"resources": [{"id": "a"}]}}', "\x00"]
)
def test_a_file_that_is_no_state_is_refused(folder: Path, told: Told, content: str) -> None:
    path = folder / "state.json"
    path.write_text(content, encoding="utf-8")
    code, text = told(state=path)
    assert code == 2
    assert "pulumi stack export" in text


@pytest.mark.parametrize("call", [{}, {"stack": "dev", "state": Path("state.json")}, {"stack": "nowhere"}])
def test_a_wrong_call_is_refused(told: Told, call: dict[str, Any]) -> None:
    assert told(**call)[0] == 2


def test_a_project_without_a_pack_is_told_so(folder: Path, told: Told) -> None:
    (folder / "policy").unlink()
    code, text = told(state=exported(folder))
    assert code == 2
    assert "policy/judging.py is missing" in text


def test_a_state_is_judged_without_telling_its_secrets(folder: Path, told: Told) -> None:
    plain = base64.b64encode(CANARY.encode()).decode()
    sealed = {**SECRET, "ciphertext": f"v1:{CANARY}"}
    shown = {**SECRET, "plaintext": json.dumps(CANARY)}
    clear = kube("Secret", "clear", {"data": {"password": plain}})
    state = exported(
        folder,
        clear,
        kube("Secret", "sealed", {"data": sealed}),
        kube("ConfigMap", "copy", {"data": {"a": f"x {CANARY}"}}),
        with_pod("Deployment", changed(RESTRICTED_POD, ENV, [{"name": "PASSWORD", "value": shown}])),
        with_pod("Deployment", changed(RESTRICTED_POD, ("securityContext",), sealed), "other"),
        {**kube("ConfigMap", "old", {"data": {"token": CANARY}}), "delete": True},
    )
    for as_json in (False, True):
        code, text = told(state=state, as_json=as_json)
        assert code == 1
        assert CANARY not in text
        assert plain not in text
        assert "secret-copied" in text
        assert "secret-in-env" in text
        assert "secret-in-config-map" not in text  # it only waits to be deleted
    found = json.loads(text)
    assert {(each["resource"], each["path"]) for each in found["unknown"]} == {
        ("Secret shop/sealed", "data"),
        ("Deployment shop/other", "spec.template.spec.securityContext"),
    }
    assert found["summary"]["mandatory"] == len(found["violations"])


def test_missing_labels_are_set_right_as_under_the_cli(folder: Path, told: Told) -> None:
    bare = kube("ConfigMap")
    del bare["props"]["metadata"]["labels"]
    code, text = told(state=exported(folder, bare))
    assert code == 0
    assert "remedied labels" in text
    config = folder / "levels.json"
    config.write_text('{"labels": "mandatory"}', encoding="utf-8")
    assert told(state=folder / "state.json", config=config)[0] == 1


def test_a_stack_that_was_never_deployed_has_nothing_to_judge(folder: Path, told: Told) -> None:
    path = folder / "state.json"
    path.write_text('{"version": 3, "deployment": {"manifest": {}}}', encoding="utf-8")
    assert told(state=path)[0] == 0
