"""Which addresses go through the shell's proxy, and which never do."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import Authority, api_server, proxy

from filewallball import proxies
from filewallball.backup import s3
from filewallball.backup.settings import StoreSettings
from filewallball.backup.store import Store, StoreError
from filewallball.errors import ConfigError
from filewallball.kube import Kube
from filewallball.sandbox import cluster, supervisor

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def one_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a sandbox, and a shell without any of the variables."""
    folder = tmp_path / "state" / "sandbox"
    for name, text in {"dev": json.dumps({"subnet": "10.213.0.4/30"}), "broken": "{", "empty": "{}"}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "network.json").write_text(text, encoding="utf-8")
    monkeypatch.setenv("FWB_STATE", str(tmp_path / "state"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:6443",
        "https://127.8.9.1",
        "http://localhost:8080",
        "http://LOCALHOST",
        "https://[::1]:6443",
        "https://[::ffff:127.0.0.1]:6443",
        "https://10.213.0.6:6443",
        "http://store.shop.svc:7070",
        "http://store.shop.svc.cluster.local:7070",
        "https://10.96.0.1:443",
    ],
)
def test_our_own_addresses_are_never_proxied(url: str) -> None:
    shell = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), PROXY)
    assert proxies.proxy_for(url, {**shell, "KUBERNETES_SERVICE_HOST": "10.96.0.1"}) is None


@pytest.mark.parametrize(
    ("url", "shell", "expected"),
    [
        ("https://a.example", {}, None),
        ("https://a.example", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://a.example", {"https_proxy": PROXY}, PROXY),
        ("https://a.example", {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
        ("https://a.example", {"https_proxy": "", "HTTPS_PROXY": PROXY}, PROXY),
        ("https://a.example", {"HTTP_PROXY": PROXY}, None),
        ("http://a.example", {"HTTPS_PROXY": PROXY}, None),
        ("http://a.example", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://a.example", {"ALL_PROXY": PROXY}, PROXY),
        ("https://a.example", {"all_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, "http://other:1"),
        ("https://a.example", {"ALL_PROXY": "socks5h://proxy:1080"}, "socks5h://proxy:1080"),
        ("https://a.example", {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        ("https://10.213.1.6:6443", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://svc.example", {"HTTPS_PROXY": PROXY}, PROXY),
    ],
)
def test_all_others_follow_the_variables(url: str, shell: dict[str, str], expected: str | None) -> None:
    assert proxies.proxy_for(url, shell) == expected


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("*", "https://a.example", True),
        ("b.example, *", "https://a.example", True),
        ("a.example", "https://a.example", True),
        ("A.Example", "https://a.example", True),
        ("example", "https://a.example", True),
        ("example", "https://anexample", False),
        (".example", "https://a.example", True),
        (".example", "https://example", False),
        ("*.example", "https://a.example", True),
        ("*.example", "https://example", False),
        ("a.example:443", "https://a.example", True),
        ("a.example:443", "https://a.example:6443", False),
        ("a.example:6443", "https://a.example:6443", True),
        ("b.example,,c.example", "https://a.example", False),
        ("10.0.0.0/8", "https://10.1.2.3:6443", True),
        ("10.1.2.3/8", "https://10.200.0.1:6443", True),
        ("10.0.0.0/8", "https://11.1.2.3:6443", False),
        ("10.0.0.0/8", "https://10.example", False),
        ("10.1.2.3", "https://10.1.2.3:6443", True),
        ("10.1.2.3:6443", "https://10.1.2.3:6443", True),
        ("10.1.2.3:443", "https://10.1.2.3:6443", False),
        ("2.3", "https://10.1.2.3", False),
        ("fd00::/8", "https://[fd00::1]:6443", True),
        ("fd00::1", "https://[fd00:0::1]:6443", True),
        ("[fd00::1]:6443", "https://[fd00::1]:6443", True),
        ("[fd00::1]:443", "https://[fd00::1]:6443", False),
        ("fe00::/8", "https://[fd00::1]:6443", False),
    ],
)
@pytest.mark.parametrize("spelt", ["no_proxy", "NO_PROXY"])
def test_no_proxy(no_proxy: str, url: str, direct: bool, spelt: str) -> None:
    found = proxies.proxy_for(url, {"HTTPS_PROXY": PROXY, spelt: no_proxy})
    assert found == (None if direct else PROXY)


@pytest.mark.parametrize("value", ["ftp://proxy:21", "http://", "http://proxy:port", "http://[::1"])
def test_a_variable_that_is_no_proxy_is_named(value: str) -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY is not the URL of a proxy"):
        proxies.proxy_for("https://a.example", {"HTTPS_PROXY": value})


def test_programs_that_we_start_are_told_of_the_sandboxes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "NO_PROXY" not in proxies.environment()
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "a.example")
    told = proxies.environment()
    assert told["NO_PROXY"] == told["no_proxy"] == "a.example,10.213.0.4/30"
    assert told["HTTPS_PROXY"] == PROXY


def server_config(server: str, authority: Authority) -> str:
    trusted = base64.b64encode(authority.pem).decode()
    cluster = {"server": server, "certificate-authority-data": trusted}
    return json.dumps(
        {
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
    )


def test_the_client_goes_through_the_proxy_to_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority()
    pair = authority.issue("server", "cluster.example", "127.0.0.1")
    with api_server(pair) as server, proxy() as between:
        between.routes["cluster.example:6443"] = ("127.0.0.1", server.port)
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{between.port}")
        with Kube.connect(server_config("https://cluster.example:6443", authority)) as kube:
            assert kube.version() == "v1.36.3"
        assert between.targets == ["cluster.example:6443"]
        assert between.logins == ["me:secret"]
        with Kube.connect(server_config(f"https://127.0.0.1:{server.port}", authority)) as kube:
            assert kube.version() == "v1.36.3"
        assert between.targets == ["cluster.example:6443"], "loopback went through the proxy"


def test_a_dead_proxy_is_in_nobodys_way_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority()
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with api_server(authority.issue("server", "127.0.0.1")) as server:
        kube = Kube.connect(server_config(f"https://127.0.0.1:{server.port}", authority))
        assert kube.version() == "v1.36.3"
        kube.close()


@pytest.mark.parametrize(("host", "direct"), [("127.0.0.1", True), ("store.example", False)])
def test_the_store(host: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with api_server() as server, proxy() as between:
        target = f"{host}:{server.port}"
        between.routes[target] = ("127.0.0.1", server.port)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{between.port}")
        settings = StoreSettings("bucket", "", f"http://{target}", "r", "key", "secret")
        with contextlib.suppress(StoreError):  # it is no store; that it was asked is enough
            Store(settings).check()
        assert server.asked
        assert between.targets == ([] if direct else [target] * len(between.targets))
        assert bool(between.targets) is not direct


def test_the_store_inside_the_cluster_and_networks_without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert s3._proxies("http://store.shop.svc:7070") == {}
    assert s3._proxies("http://10.1.1.1:9000") == {}
    assert s3._proxies("http://minio.example:9000") == {"http": PROXY}


def test_the_sandboxes_own_kubectl_ignores_the_proxy(tmp_path: Path) -> None:
    script = Path(cluster.__file__).with_name("kubectl.sh")
    (tmp_path / "bin").mkdir()
    (tmp_path / "kubectl").write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    program = tmp_path / "bin" / "kubectl"
    program.write_text(f"#!{sys.executable}\nimport os, sys\nprint(sys.argv[1:], sorted(os.environ))\n")
    for path in (tmp_path / "kubectl", program):
        path.chmod(0o755)
    linked = tmp_path / "elsewhere"
    linked.symlink_to(tmp_path / "kubectl")
    shell = {"PATH": os.environ["PATH"], "https_proxy": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": PROXY}
    done = subprocess.run([linked, "get", "a b"], env=shell, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("['get', 'a b']")
    assert "proxy" not in done.stdout.lower()


def test_the_supervisors_questions_ignore_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with api_server(Authority().issue("server", "127.0.0.1")) as server:
        assert supervisor.answers(f"https://127.0.0.1:{server.port}/readyz")
