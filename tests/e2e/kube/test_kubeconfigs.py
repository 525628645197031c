"""Every kubeconfig does with our client what it does with the sandbox's kubectl, or is refused as there.

What is compared is the answer to "who am I", which the API server gives to both.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cases_of_clusters  # noqa: F401 - fills the table
import cases_of_files  # noqa: F401 - fills the table
import cases_of_plugins  # noqa: F401 - fills the table
import cases_of_users  # noqa: F401 - fills the table
import kubeconfig_cases as cases
import pytest
import yaml
from loopback import Authority, proxy
from shared_sandbox import Sandbox, kubectl_path

from filewallball import proxies
from filewallball.errors import UserError
from filewallball.kube import Kube
from filewallball.sandbox import cluster

REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
PROXIES = [f"{name}_proxy" for name in ("http", "https", "all", "no")]


@contextmanager
def kubectl_serves(sandbox: Sandbox, *arguments: str) -> Iterator[int]:
    """`kubectl proxy` on a free port."""
    command = [kubectl_path(), "--kubeconfig", str(sandbox.kubeconfig), "proxy", "--port=0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            found = re.search(r":(\d+)\s*$", said)
            assert found, said
            yield int(found[1])
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def kubectl() -> str:
    return kubectl_path()  # below the user's own HOME


@pytest.fixture(scope="module")
def there(sandbox: Sandbox) -> Iterator[cases.Cluster]:
    given = yaml.safe_load(sandbox.kubeconfig.read_text(encoding="utf-8"))
    known, user = given["clusters"][0]["cluster"], given["users"][0]["user"]
    decoded = [
        base64.b64decode(text)
        for text in (
            known["certificate-authority-data"],
            user["client-certificate-data"],
            user["client-key-data"],
        )
    ]
    token = sandbox.kubectl("-n", "default", "create", "token", "default").stdout.strip()
    with ExitStack() as stack:
        plain = stack.enter_context(kubectl_serves(sandbox))
        below = stack.enter_context(kubectl_serves(sandbox, "--api-prefix=/k8s/clusters/c-1/"))
        pair = Authority().issue("proxy", "127.0.0.1")
        ports = [stack.enter_context(each).port for each in (proxy(), proxy(tls=pair), proxy("socks5"))]
        yield cases.Cluster(
            known["server"],
            *decoded,
            token,
            f"http://127.0.0.1:{plain}",
            f"http://127.0.0.1:{below}/k8s/clusters/c-1",
            f"http://127.0.0.1:{ports[0]}",
            f"https://127.0.0.1:{ports[1]}",
            f"socks5://127.0.0.1:{ports[2]}",
        )


def prepared(
    make: cases.Make, there: cases.Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> cases.Case:
    """Write the case's files and set its variables; HOME has no kubeconfig."""
    made = make(there)
    case = made if isinstance(made, cases.Case) else cases.Case({"config": made})
    cases.write(case, folder)
    monkeypatch.chdir(folder)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("KUBECONFIG", case.listed)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    return case


def kubectl_says(kubectl: str, case: cases.Case) -> dict[str, Any] | None:
    """Whom the server took kubectl for, None if kubectl refused or was refused."""
    command = [kubectl, "auth", "whoami", "-o", "json", "--request-timeout=10s"]
    if not case.listed:
        command += ["--kubeconfig", "config"]
    if case.context:
        command += ["--context", case.context]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    return json.loads(done.stdout)["status"]["userInfo"] if done.returncode == 0 else None


def we_say(case: cases.Case) -> dict[str, Any]:
    given = None if case.listed else "config"
    with Kube.connect(given, case.context, patience=0) as kube:
        return kube.create(REVIEW)["status"]["userInfo"]


@pytest.mark.parametrize("name", cases.WORKS)
def test_what_works_with_kubectl_works_alike(
    name: str, there: cases.Cluster, kubectl: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = prepared(cases.WORKS[name], there, tmp_path, monkeypatch)
    expected = kubectl_says(kubectl, case)
    assert expected, "kubectl refuses it"
    seen = we_say(case)
    for info in (expected, seen):  # the token's or certificate's own marks
        info.get("extra", {}).pop("authentication.kubernetes.io/credential-id", None)
    assert seen == expected


@pytest.mark.parametrize("name", cases.REFUSED)
def test_what_kubectl_refuses_is_refused(
    name: str, there: cases.Cluster, kubectl: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = prepared(cases.REFUSED[name], there, tmp_path, monkeypatch)
    assert kubectl_says(kubectl, case) is None
    with pytest.raises(UserError) as caught:
        we_say(case)
    assert there.token not in str(caught.value)


def test_the_sandbox_is_reached_whatever_the_shells_proxy(
    sandbox: Sandbox, kubectl: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        for spelt in (name, name.upper()):
            monkeypatch.setenv(spelt, "" if name == "no_proxy" else "http://127.0.0.1:9")
    arguments = ["--kubeconfig", str(sandbox.kubeconfig), "get", "--raw", "/readyz"]
    assert subprocess.run([kubectl, *arguments], capture_output=True, check=False).returncode, "not proxied"
    own = sandbox.kubeconfig.with_name("kubectl")
    assert subprocess.run([own, *arguments], capture_output=True, check=True).stdout == b"ok"
    with Kube.connect(sandbox.kubeconfig, None, patience=0) as kube:
        assert kube.version().startswith("v1.")
    told = subprocess.run([kubectl, *arguments], capture_output=True, check=True, env=proxies.environment())
    assert told.stdout == b"ok", "programs that we start get to the sandbox"
    assert cluster.status(sandbox.name).ready
