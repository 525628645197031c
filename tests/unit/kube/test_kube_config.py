"""Which kubeconfig and context are meant, and what is said when that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from filewallball.errors import ConfigError
from filewallball.kube import config


def kubeconfig(*contexts: str, current: str | None = None, **user: object) -> str:
    return yaml.safe_dump(
        {
            "current-context": current,
            "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443"}} for name in contexts],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in contexts],
            "users": [{"name": "me", "user": {"token": "t", **user}}],
        }
    )


def test_content_and_path(tmp_path: Path) -> None:
    text = kubeconfig("a", "b", current="b")
    path = tmp_path / "config"
    path.write_text(text)
    assert config.load(text, None).cluster.server == "https://b:6443"
    assert config.load(str(path), "a").cluster.server == "https://a:6443"
    assert config.load(path, "a").context_name == "a"


def test_the_environment_lists_files_and_the_one_with_the_context_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(kubeconfig(name, current=name))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/absent:{tmp_path}/one:{tmp_path}/two")
    assert config.load(None, None).context_name == "one"
    assert config.load(None, "two").context_name == "two"
    with pytest.raises(ConfigError, match="has no context 'three'"):
        config.load(None, "three")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (kubeconfig("a"), "no current context"),
        (kubeconfig("a", current="z"), "no context 'z'"),
        ("a: [\n", "is not valid YAML"),
        ("- list\n- of things\n", "is not a kubeconfig"),
        (
            kubeconfig("a", current="a").replace("name: me\n", "name: you\n"),
            "names a cluster or user that it lacks",
        ),
    ],
)
def test_faults_are_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config.load(text, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path}/absent does not exist"):
        config.load(tmp_path / "absent", None)


def test_a_plugin_of_the_stable_exec_api_is_accepted() -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "get-token"}
    found = config.load(kubeconfig("a", current="a", exec=plugin), None)
    assert found.user
    assert found.user.exec
    assert found.user.exec.apiVersion == "client.authentication.k8s.io/v1beta1"
    assert [each.name for each in found.user.exec.env or []] == ["KUBERNETES_EXEC_INFO"]
