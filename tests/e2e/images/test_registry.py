"""Pushing to a real registry and asking it for digests: Debian's docker-registry on a loopback port."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from filewallball.images import own, sbom
from filewallball.registry import Reference, Registry, RegistryError
from filewallball.registry.client import INDEX, MANIFEST
from filewallball.sandbox.oci import ImageConfig, add_file, write_archive
from filewallball.sandbox.progress import Progress

START_SECONDS = 60
# As `htpasswd -nbB kim secret` prints it.
USERS = "kim:$2b$04$gkvcKyFT2hlHpXIiKHYCXu0txkGyTOKYLUuRWKMe0NulTxfqtEgrG"
CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:{port}", secret: some}}
log: {{level: warn}}
"""


@contextmanager
def running(program: str, folder: Path, more: str = "") -> Iterator[str]:
    """The registry, by its name, until the block ends."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port) + more)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/").status_code in (200, 401)
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Unpacked, not installed: the package would start a service."""
    if found := shutil.which("docker-registry"):
        return found
    folder = tmp_path_factory.mktemp("package")
    subprocess.run(["apt-get", "download", "-qq", "docker-registry"], cwd=folder, check=True)
    [package] = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder / "tree")], check=True)
    return str(folder / "tree" / "usr" / "bin" / "docker-registry")


@pytest.fixture(autouse=True)
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, Path]]:
    """Small images in the place of ours; how ours are built is for other tests."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found: dict[str, tuple[str, Path]] = {}
    for name in own.NAMES:
        path = tmp_path / f"{name}.tar"
        reference = f"docker.io/filewallball/{name}:0123456789ab"

        def fill(tar: tarfile.TarFile, name: str = name) -> None:
            add_file(tar, name, bytes(5 * 2**20))

        write_archive(path, reference, ImageConfig(), fill)
        found[name] = (reference, path)
    monkeypatch.setattr(own, "built", lambda _: found)
    return found


def test_what_is_pushed_can_be_pinned(program: str, tmp_path: Path) -> None:
    said: list[str] = []
    with running(program, tmp_path) as name:
        for _ in range(2):
            assert own.push(f"{name}/team/deep", said.append, Progress(lambda _: None)) == 0
        once = said[: len(own.NAMES)]
        assert said == once * 2
        for line in once:
            image = Reference.parse(line.partition(": ")[2])
            with Registry(image) as registry:
                assert registry.digest(image.tag) == image.digest
            where = f"http://{name}/v2/{image.repository}"
            manifest = httpx.get(f"{where}/manifests/{image.digest}", headers={"Accept": MANIFEST}).content
            assert f"sha256:{hashlib.sha256(manifest).hexdigest()}" == image.digest
            for layer in json.loads(manifest)["layers"]:
                blob = httpx.get(f"{where}/blobs/{layer['digest']}").content
                assert f"sha256:{hashlib.sha256(blob).hexdigest()}" == layer["digest"]
            # Debian's registry is from before OCI 1.1, and keeps the list of referrers as a tag.
            tag = image.digest.replace(":", "-")
            listed = httpx.get(f"{where}/manifests/{tag}", headers={"Accept": INDEX}).json()["manifests"]
            assert [each["artifactType"] for each in listed] == [sbom.MEDIA_TYPE]
            about = httpx.get(f"{where}/manifests/{listed[0]['digest']}", headers={"Accept": MANIFEST}).json()
            assert about["subject"]["digest"] == image.digest
            bill = httpx.get(f"{where}/blobs/{about['layers'][0]['digest']}").json()
            assert bill["bomFormat"] == "CycloneDX"
        image = Reference.parse(f"{name}/team/deep/toolkit:other")
        with Registry(image) as registry, pytest.raises(RegistryError, match="404"):
            registry.digest("other")


def test_a_registry_with_users_takes_what_docker_login_left(program: str, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"{USERS}\n")
    with running(program, tmp_path, f"auth: {{htpasswd: {{realm: here, path: {tmp_path}/users}}}}\n") as name:
        with pytest.raises(RegistryError, match="401") as raised:
            own.push(f"{name}/team", print, Progress(lambda _: None))
        assert f"docker login {name}" in raised.value.hint
        auth = base64.b64encode(b"kim:secret").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {name: {"auth": auth}}}))
        assert own.push(f"{name}/team", print, Progress(lambda _: None)) == 0
