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
    assert config.load(text, None).server == "https://b:6443"
    assert config.load(str(path), "a").server == "https://a:6443"
    assert config.load(path, "a").context == "a"


def test_the_files_of_the_environment_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(kubeconfig(name, current=name))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/absent:{tmp_path}/one::{tmp_path}/two")
    assert config.load(None, None).context == "one"
    assert config.load(None, "two").context == "two"
    with pytest.raises(ConfigError, match=r"one:\S+two has no context 'three'\n  Name one of: one, two"):
        config.load(None, "three")


def test_relative_paths_start_from_their_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        user = {"token": None, "tokenFile": "secret/token", "exec": None}
        (folder / "config").write_text(
            kubeconfig(name, current=name, **user).replace(": me\n", f": me-{name}\n")
        )
        (folder / "secret").mkdir()
        (folder / "secret" / "token").write_text(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "one/config:two/config")
    found = config.load(None, "two").user
    assert found.token_file == str(tmp_path / "two" / "secret" / "token")


def test_the_context_names_a_namespace() -> None:
    text = kubeconfig("a", current="a")
    assert config.load(text, None).namespace == "default"
    assert (
        config.load(text.replace("cluster: a\n", "cluster: a\n    namespace: shop\n"), None).namespace
        == "shop"
    )


def test_inside_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"token": "t", "ca.crt": "pem", "namespace": "shop\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(config, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/absent")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = config.load(None, None)
    assert (found.server, found.namespace) == ("https://[fd00::1]:443", "shop")
    assert found.user.token_file == str(tmp_path / "token"), "it is renewed, and must be read again"
    with pytest.raises(ConfigError, match="No cluster is configured"):
        config.load(None, "a")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(ConfigError, match=r"no file of KUBECONFIG \(\S+absent\) exists"):
        config.load(None, None)


def changed(part: str, **fields: object) -> str:
    """A good kubeconfig, but for some fields of its cluster, user, context or itself."""
    content = yaml.safe_load(kubeconfig("a", current="a"))
    target = content if part == "top" else content[f"{part}s"][0][part]
    target.update({key.replace("_", "-"): value for key, value in fields.items()})
    return yaml.safe_dump(content)


PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "get-token", "interactiveMode": "Never"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (kubeconfig("a"), "no current context"),
        (kubeconfig("a", current="z"), "no context 'z'\n  Name one of: a"),
        ("a: [\n", "the given kubeconfig is not valid YAML"),
        ("a: 1\n\tb: secret\n", "is not valid YAML"),
        ("- list\n- of things\n", "is not a kubeconfig: it holds a list"),
        ("kind: Pod\napiVersion: v1\n", "is not a kubeconfig: it is a Pod"),
        ("clusters: {}\n", "clusters is a mapping, but must be a list"),
        ("clusters: [1]\n", "clusters[0] is a number, but must be a mapping"),
        (changed("top", clusters=[]), "names the cluster 'a', which isn't there"),
        (changed("top", users=[{"name": "me"}, {"name": "me"}]), "users has two entries with the name 'me'"),
        (changed("cluster", server=5), "clusters[0].cluster.server is a number, but must be text"),
        (changed("cluster", server=""), "has no server"),
        (changed("cluster", server="ftp://a"), "begins with neither https:// nor http://"),
        (changed("cluster", server="https://a:port"), "is not a URL"),
        (changed("cluster", server="https://"), "names no host"),
        (changed("cluster", server="https://me:secret@a"), "holds a user name"),
        (changed("cluster", server="a:6443/path"), "has a path but no https://"),
        (changed("cluster", proxy_url="proxy:3128"), "proxy-url is not the URL of a proxy"),
        (changed("cluster", proxy_url="socks4://proxy"), "with one of the schemes http, https, socks5"),
        (changed("cluster", certificate_authority_data="-----"), "must be text in base64"),
        (
            changed("cluster", certificate_authority="/no/ca.crt"),
            "certificate-authority /no/ca.crt cannot be read",
        ),
        (
            changed("cluster", certificate_authority="/ca", certificate_authority_data="YQ=="),
            "both certificate-authority and certificate-authority-data",
        ),
        (
            changed("cluster", certificate_authority_data="YQ==", insecure_skip_tls_verify=True),
            "insecure-skip-tls-verify is true, and a certificate-authority",
        ),
        (changed("cluster", insecure_skip_tls_verify="yes"), "must be true or false, without quotes"),
        (changed("user", token=None), "user 'me' of the given kubeconfig has no credentials"),
        (changed("user", token=12345), "users[0].user.token is a number, but must be text"),
        (changed("user", username="me"), "has a token and a username with password"),
        (changed("user", token=None, tokenFile="/no/token"), "tokenFile /no/token cannot be read"),
        (changed("user", token=None, tokenFile="/dev/null"), "the tokenFile /dev/null is empty"),
        (changed("user", client_certificate_data="YQ=="), "a client-certificate without its key"),
        (changed("user", **{"as-groups": ["a"]}), "but no `as`"),
        (changed("user", **{"as-groups": "a"}), "as-groups is text, but must be a list"),
        (changed("user", auth_provider={"name": "gcp"}), "has the auth-provider 'gcp'"),
        (changed("user", exec={**PLUGIN, "command": ""}), "exec has no command"),
        (changed("user", exec={**PLUGIN, "apiVersion": "client.authentication.k8s.io/v1alpha1"}), "v1alpha1"),
        (changed("user", exec={**PLUGIN, "interactiveMode": None}), "interactiveMode must be set"),
        (changed("user", exec={**PLUGIN, "interactiveMode": "never"}), "interactiveMode is 'never'"),
        (changed("user", exec={**PLUGIN, "env": [{"value": "x"}]}), "a variable without name in env"),
        (
            changed("user", exec={**PLUGIN, "args": [1]}),
            "users[0].user.exec.args is a number, but must be a list",
        ),
        (changed("context", user="you"), "user 'you' of the given kubeconfig has no credentials"),
    ],
)
def test_faults_are_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(text, None)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value).replace("me:secret@a", "")


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path}/absent does not exist"):
        config.load(tmp_path / "absent", None)
    with pytest.raises(ConfigError, match=f"{tmp_path} cannot be read: Is a directory"):
        config.load(tmp_path, None)
    (tmp_path / "latin").write_bytes(b"a: \xe4\n")
    with pytest.raises(ConfigError, match=f"{tmp_path}/latin is not valid YAML"):
        config.load(tmp_path / "latin", None)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/absent:{tmp_path}")
    with pytest.raises(ConfigError, match=f"{tmp_path} cannot be read: Is a directory"):
        config.load(None, "a")


def test_over_plain_http_nobody_has_to_identify_himself() -> None:
    found = config.load(changed("cluster", server="localhost:8001").replace("user: me", "cluster: a"), None)
    assert (found.server, found.user, found.encrypted) == ("http://localhost:8001", config.User(), False)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugin_of_both_versions_is_accepted(version: str) -> None:
    plugin = {"apiVersion": f"client.authentication.k8s.io/{version}", "command": "get-token"}
    mode = {"interactiveMode": "Never"} if version == "v1" else {}
    found = config.load(kubeconfig("a", current="a", exec={**plugin, **mode}), None).user.exec
    assert found
    assert found.interactive_mode == ("Never" if version == "v1" else "IfAvailable")
