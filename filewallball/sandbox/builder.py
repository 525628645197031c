"""Builds one image archive from its definition: a program of ours, or Debian packages and files beside them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from filewallball.errors import UserError
from filewallball.sandbox import debian
from filewallball.sandbox.oci import ImageConfig, User, accounts, add_directory, add_file, write_archive
from filewallball.sandbox.toolchain import Binaries

VERSION = 1  # part of every archive's name: raise it when the same definition gives another image

_TITLE = "org.opencontainers.image.title"
_DESCRIPTION = "org.opencontainers.image.description"


def build(
    target: Path, reference: str, definition: dict[str, Any], built: Binaries, repository: Path
) -> None:
    """Write the image's archive to `target`, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if program := definition.get("program"):
        description = f"{program} as built from its Go module by FileWallBall's sandbox"
        config = _config(reference, definition, description, {})
        write_archive(target, reference, config, lambda tar: _fill_from_program(tar, built[program], config))
        return
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as scratch:
        tree = Path(scratch) / "tree.tar"
        packages = definition["packages"]
        debian.unpack(tree, packages, definition.get("exclude", []), definition.get("variant", "essential"))
        found = debian.versions(tree)
        labels = {f"filewallball.package.{each}": found[each] for each in packages if each in found}
        description = (
            f"Built from Debian {debian.SUITE} packages by FileWallBall's sandbox; not the upstream image"
        )
        config = _config(reference, definition, description, labels)

        def fill(tar: tarfile.TarFile) -> None:
            _fill_from_tree(tar, tree, config, definition)
            if pip := definition.get("pip"):
                _add_pip(tar, Path(scratch) / "pip", pip, repository)
            if copy := definition.get("copy"):
                _add_files(tar, copy, repository)

        write_archive(target, reference, config, fill)


def _config(
    reference: str, definition: dict[str, Any], description: str, labels: dict[str, str]
) -> ImageConfig:
    user = definition.get("user")
    return ImageConfig(
        user=User(**user) if user else None,
        workdir=definition.get("workdir", "/"),
        entrypoint=definition.get("entrypoint", []),
        cmd=definition.get("cmd", []),
        env=definition.get("env", {}),
        labels={_TITLE: definition.get("title", reference), _DESCRIPTION: description, **labels},
    )


def _fill_from_program(tar: tarfile.TarFile, program: Path, config: ImageConfig) -> None:
    add_directory(tar, "etc")
    add_directory(tar, "tmp", 0o1777)
    for name, content in accounts(config.user).items():
        add_file(tar, name, content.encode())
    add_file(tar, program.name, program.read_bytes(), 0o755)


def _fill_from_tree(
    tar: tarfile.TarFile, tree: Path, config: ImageConfig, definition: dict[str, Any]
) -> None:
    added = accounts(config.user)
    kept = debian.copy_tree(tree, tar, replaced=added)
    for name, content in added.items():
        if not config.user:
            add_file(tar, name, kept.get(name, b""))
            continue
        # Ours replaces an account of the same name or number that a package made.
        ours = (
            f"{config.user.name}:",
            f":{config.user.uid}:" if name == "etc/passwd" else f":{config.user.gid}:",
        )
        lines = [line for line in kept.get(name, b"").decode().splitlines() if not _clashes(line, *ours)]
        add_file(tar, name, ("\n".join(lines) + f"\n{content}").encode())
    if config.user and config.user.home != "/nonexistent":
        add_directory(tar, config.user.home.lstrip("/"), 0o755, config.user.uid, config.user.gid)
    for link, destination in definition.get("links", {}).items():
        info = tarfile.TarInfo(link.lstrip("/"))
        info.type, info.linkname = tarfile.SYMTYPE, destination
        tar.addfile(info)


def _clashes(line: str, name: str, number: str) -> bool:
    return line.startswith(name) or number in ":".join(["", *line.split(":")[2:3], ""])


def _add_pip(tar: tarfile.TarFile, scratch: Path, pip: dict[str, Any], repository: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
    ]
    command += [
        "--require-hashes",
        "--only-binary=:all:",
        "--python-version",
        pip["python"],
        "--implementation",
        "cp",
    ]
    command += ["--target", str(scratch), "-r", str(repository / pip["requirements"])]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            f"pip could not install the image's requirements:\n{done.stderr.strip()[-1000:]}", "run again"
        )
    tar.add(scratch, pip["target"].lstrip("/"), filter=_owned_by_root)


def _add_files(tar: tarfile.TarFile, copy: dict[str, Any], repository: Path) -> None:
    for path in copy["paths"]:
        tar.add(repository / path, f"{copy['to'].lstrip('/')}/{path}", filter=_owned_by_root)


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in info.name:
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    # What the image's user may read doesn't depend on the umask of who built it.
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info
