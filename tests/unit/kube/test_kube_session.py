"""The client against a real server over TLS: who asks, with which certificate, by which proxy."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from loopback import ApiServer, Authority, api_server, proxy

from filewallball.errors import UserError
from filewallball.kube import Kube, Unreachable

AUTHORITY = Authority()
SERVER = AUTHORITY.issue("server", "127.0.0.1", "::1", "cluster.example")
EXEC = "client.authentication.k8s.io/v1"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server(SERVER, AUTHORITY.pem) as found:
        yield found


def connect(server: ApiServer, user: dict[str, Any] | None = None, /, **cluster: Any) -> Kube:
    """A client with these fields in its kubeconfig."""
    there: dict[str, Any] = {
        "server": f"https://127.0.0.1:{server.port}",
        "certificate-authority-data": base64.b64encode(AUTHORITY.pem).decode(),
        **{key.replace("_", "-"): value for key, value in cluster.items()},
    }
    content = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": there}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
    }
    return Kube.connect(json.dumps(content), patience=0)


def data(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def test_closing_ends_the_streams_of_other_threads_first(server: ApiServer) -> None:
    """A socket closed under its reader leaves its number, and the reader, to the next connection."""
    kube = connect(server)
    began, ended = threading.Event(), threading.Event()

    def read() -> None:
        stream = kube._http.stream("/forever", {}, silence=60)
        with contextlib.suppress(httpx.TransportError), stream as answer:
            began.set()
            for _ in answer.iter_lines():
                pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    assert began.wait(10)
    kube.close()
    assert ended.wait(10)
    with pytest.raises(RuntimeError, match="is closed"):
        kube.version()


def test_token_and_password(server: ApiServer) -> None:
    connect(server).version()
    assert server.last.header("Authorization") == "Bearer t"
    connect(server, {"username": "me", "password": "ü"}).version()
    assert server.last.header("Authorization") == f"Basic {data('me:ü'.encode())}"


def test_a_token_file_is_read_again(server: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    kube = connect(server, {"tokenFile": str(file)})
    kube.version()
    file.write_text("two\n")
    kube.version()
    assert [each.header("Authorization") for each in server.asked] == ["Bearer one", "Bearer two"]
    file.unlink()
    with pytest.raises(UserError, match="context c: the tokenFile cannot be read"):
        kube.version()


def test_client_certificates_as_data_and_files_that_change(server: ApiServer, tmp_path: Path) -> None:
    jane, joe = (AUTHORITY.issue(name) for name in ("jane", "joe"))
    connect(server, {"client-certificate-data": data(jane[0]), "client-key-data": data(jane[1])}).version()
    assert (server.last.client, server.last.header("Authorization")) == ("jane", None)
    files = {"client-certificate": str(tmp_path / "crt"), "client-key": str(tmp_path / "key")}
    for (certificate, key), name in ((jane, "jane"), (joe, "joe")):
        (tmp_path / "crt").write_bytes(certificate)
        (tmp_path / "key").write_bytes(key)
        if name == "jane":
            kube = connect(server, files)
        kube.version()
        assert server.last.client == name


def test_impersonation(server: ApiServer) -> None:
    who = {"as": "jäne", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"x.org/a b": ["1", "2"]}}
    connect(server, {"token": "t", **who}).version()
    asked = server.last
    assert asked.header("Authorization") == "Bearer t"
    assert (asked.header("Impersonate-User") or "").encode("latin-1").decode() == "jäne"
    assert asked.header("Impersonate-Uid") == "7"
    assert asked.all("Impersonate-Group") == ["a", "b"]
    assert asked.all("Impersonate-Extra-x.org%2Fa%20b") == ["1", "2"]


def test_compression(server: ApiServer) -> None:
    connect(server).version()
    assert "gzip" in (server.last.header("Accept-Encoding") or "")
    connect(server, disable_compression=True).version()
    assert server.last.header("Accept-Encoding") == "identity"


def test_the_server_name_is_asked_for_and_expected(server: ApiServer) -> None:
    connect(server, tls_server_name="cluster.example").version()
    assert server.last.server_name == "cluster.example"
    with pytest.raises(Unreachable, match=r"not valid for 'other\.example'"):
        connect(server, tls_server_name="other.example").version()


def test_whom_to_trust(server: ApiServer, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    comment = "# für Kubernetes\n".encode()
    bundle.write_bytes(comment + Authority("other").pem + b"\n" + AUTHORITY.pem)
    connect(server, certificate_authority_data=None, certificate_authority=str(bundle)).version()
    connect(server, certificate_authority_data=data(SERVER[0])).version()
    connect(server, certificate_authority_data=None, insecure_skip_tls_verify=True).version()
    for other in (data(Authority("other").pem), None):
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            connect(server, certificate_authority_data=other).version()


def test_a_server_over_plain_http_and_below_a_path() -> None:
    with api_server() as server:
        kube = connect(server, server=f"http://127.0.0.1:{server.port}/k8s/clusters/c-1/?a=b")
        kube.version()
        assert (server.last.path, server.last.header("Authorization")) == ("/k8s/clusters/c-1/version", None)
        connect(server, {}, server=f"127.0.0.1:{server.port}").version()
        assert server.last.path == "/version"


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_a_proxy_of_the_kubeconfig_wins_over_the_shell(
    kind: str, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")
    with proxy("socks5" if kind == "socks5" else "http", SERVER if kind == "https" else None) as between:
        between.routes["cluster.example:6443"] = ("127.0.0.1", server.port)
        url = f"{kind}://me:secret@127.0.0.1:{between.port}"
        connect(server, server="https://cluster.example:6443", proxy_url=url).version()
        assert between.targets == ["cluster.example:6443"]
        assert between.logins in (["me:secret"], []), "SOCKS asks for a login only where it needs one"
        assert kind == "socks5" or between.logins
        connect(server, proxy_url=url, tls_server_name="cluster.example").version()
        assert between.targets[1:] == [f"127.0.0.1:{server.port}"]
        assert server.last.server_name == "cluster.example"


def test_the_shells_proxy_without_one_in_the_kubeconfig(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as between:
        between.routes["cluster.example:6443"] = ("127.0.0.1", server.port)
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{between.port}")
        connect(server, server="https://cluster.example:6443").version()
        assert between.targets == ["cluster.example:6443"]


# ---- plugins ----


@pytest.fixture
def plugin(tmp_path: Path) -> Any:
    """Makes a plugin that prints what its n-th run is to print, and remembers how it was called."""

    def make(*answers: object, **more: Any) -> dict[str, Any]:
        for number, answer in enumerate(answers):
            text = answer if isinstance(answer, str) else json.dumps(credential(**answer))  # type: ignore[arg-type]
            (tmp_path / f"answer-{number}").write_text(text)
        program = tmp_path / "plugin"
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, os, pathlib, sys\n"
            f"here = pathlib.Path({str(tmp_path)!r})\n"
            "runs = here / 'runs'\n"
            "before = runs.read_text().splitlines() if runs.exists() else []\n"
            "seen = {'args': sys.argv[1:], 'info': json.loads(os.environ['KUBERNETES_EXEC_INFO']),\n"
            "        'extra': os.environ.get('EXTRA'), 'home': os.environ.get('HOME')}\n"
            "runs.write_text('\\n'.join([*before, json.dumps(seen)]))\n"
            "print((here / f'answer-{len(before)}').read_text())\n"
        )
        program.chmod(0o700)
        settings = {"apiVersion": EXEC, "command": str(program), "interactiveMode": "Never", **more}
        return {"exec": settings}

    return make


def credential(**status: str) -> dict[str, Any]:
    return {"kind": "ExecCredential", "apiVersion": EXEC, "status": status}


def runs(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "runs").read_text().splitlines()]


def test_a_plugin_is_run_once_and_told_what_it_may_need(
    server: ApiServer, plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTRA", "the shell's")
    user = plugin(
        {"token": "fresh"},
        args=["--a", "b c"],
        env=[{"name": "EXTRA", "value": "more"}],
        provideClusterInfo=True,
    )
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    kube = connect(server, user, extensions=[extension], tls_server_name="cluster.example")
    kube.version()
    kube.version()
    assert [each.header("Authorization") for each in server.asked] == ["Bearer fresh"] * 2
    [seen] = runs(tmp_path)
    assert (seen["args"], seen["extra"], seen["home"]) == (["--a", "b c"], "more", os.environ.get("HOME"))
    assert seen["info"] == {
        "kind": "ExecCredential",
        "apiVersion": EXEC,
        "spec": {
            "interactive": False,
            "cluster": {
                "server": f"https://127.0.0.1:{server.port}",
                "tls-server-name": "cluster.example",
                "certificate-authority-data": data(AUTHORITY.pem),
                "config": {"audience": "x"},
            },
        },
    }


def test_a_plugin_is_run_again_when_its_token_is_refused(server: ApiServer, plugin: Any) -> None:
    server.refused.add("old")
    kube = connect(server, plugin({"token": "old"}, {"token": "new"}))
    assert kube.version() == "v1.36.3"
    assert [each.header("Authorization") for each in server.asked] == ["Bearer old", "Bearer new"]


def test_a_plugin_is_run_again_when_its_token_is_over(server: ApiServer, plugin: Any, tmp_path: Path) -> None:
    over, later = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00.123456789Z"
    user = plugin(
        {"token": "one", "expirationTimestamp": over}, {"token": "two", "expirationTimestamp": later}
    )
    kube = connect(server, user)
    for _ in range(3):
        kube.version()
    assert [each.header("Authorization") for each in server.asked] == [
        "Bearer one",
        "Bearer two",
        "Bearer two",
    ]
    assert len(runs(tmp_path)) == 2


def test_a_plugins_certificate_is_used_and_changed(server: ApiServer, plugin: Any) -> None:
    pairs = [AUTHORITY.issue(name) for name in ("jane", "joe")]
    answers = [
        {
            "clientCertificateData": certificate.decode(),
            "clientKeyData": key.decode(),
            "expirationTimestamp": "2020-01-01T00:00:00Z",
        }
        for certificate, key in pairs
    ]
    kube = connect(server, plugin(*answers))
    kube.version()
    kube.version()
    assert [each.client for each in server.asked] == ["jane", "joe"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("Logged in!", "isn't an ExecCredential"),
        ("", "isn't an ExecCredential"),
        ("a: [", "it printed neither JSON nor YAML"),
        (
            json.dumps({"kind": "ExecCredential", "apiVersion": f"{EXEC}beta1"}),
            f"isn't an ExecCredential of {EXEC}",
        ),
        (json.dumps({"kind": "ExecCredential", "apiVersion": EXEC}), "an ExecCredential without status"),
        (json.dumps(credential()), "neither a token nor a client certificate"),
        (json.dumps(credential(clientKeyData="x")), "a client certificate without key"),
        (
            json.dumps(credential(token="x", expirationTimestamp="soon")),
            "an expirationTimestamp that isn't a time",
        ),
        (json.dumps(credential(token=5)), "fields are not text"),  # type: ignore[arg-type]
        (json.dumps(credential(token="a\nb")), "the token holds a line break"),
        (json.dumps(credential(clientCertificateData="x", clientKeyData="y")), "client-certificate and its"),
    ],
)
def test_what_a_plugin_prints_is_judged(answer: str, words: str, server: ApiServer, plugin: Any) -> None:
    with pytest.raises(UserError, match=words):
        connect(server, plugin(answer)).version()
    assert not server.asked


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"command": "no-such-plugin"}, "it is not installed"),
        ({"command": "no-such-plugin", "installHint": "Get it from us."}, "Get it from us."),
        ({"command": "/no/such/plugin"}, "it is not installed"),
        ({"command": "false"}, "it ended with exit code 1"),
        ({"interactiveMode": "Always"}, "it asks questions, and there is no terminal"),
    ],
)
def test_a_plugin_that_cannot_be_run(
    fields: dict[str, str], words: str, server: ApiServer, plugin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=words):
        connect(server, plugin({"token": "t"}, **fields)).version()
