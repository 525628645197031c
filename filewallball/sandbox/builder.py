"""Builds an image archive from its definition: a program of ours, or Debian packages and files with them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from filewallball.errors import UserError
from filewallball.sandbox import debian
from filewallball.sandbox.oci import (
    ImageConfig,
    User,
    accounts,
    add_directory,
    add_file,
    retitle,
    write_archive,
)
from filewallball.sandbox.toolchain import Binaries

VERSION = 2
"""Part of every archive's name. Raise it when the same definition makes another image."""

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
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
        scratch = Path(folder)
        packages = definition["packages"]
        suite = definition.get("suite", debian.SUITE)
        below = debian.base(suite, target.parent) if on_base(definition) else None
        tree = _tree(target.parent, scratch, definition, repository, below)
        found = debian.versions(tree)
        labels = {f"filewallball.package.{each}": found[each] for each in packages if each in found}
        description = f"Built from Debian {suite} packages by FileWallBall's sandbox; not the upstream image"
        config = _config(reference, definition, description, labels)
        layers = [partial(_fill_from_base, base=below)] if below else []
        layers.append(
            partial(
                _fill_from_tree, tree=tree, config=config, definition=definition, built=built, below=below
            )
        )
        if copy := definition.get("copy"):
            sources = _copied(scratch / "sources", copy, repository)
            layers.append(partial(_fill_from_sources, tree=tree, sources=sources))
        write_archive(target, reference, config, *layers)


def _tree(
    folder: Path, scratch: Path, definition: dict[str, Any], repository: Path, below: Path | None
) -> Path:
    """The tree of the image's packages and requirements, without sources of ours.

    Where sources come on top, it is kept in `folder`: they change from build to build, it doesn't.
    """
    suite, variant = definition.get("suite", debian.SUITE), definition.get("variant", "essential")
    pip = definition.get("pip")
    tree = scratch / "tree.tar"
    if "copy" in definition:
        text = (repository / pip["requirements"]).read_text(encoding="utf-8") if pip else ""
        made = [VERSION, suite, variant, definition["packages"], pip, text]
        made.append(below.stat().st_mtime_ns if below else 0)  # its packages are updated with the base's
        digest = hashlib.sha256(json.dumps(made).encode()).hexdigest()[:12]
        kind = f"tree-{definition['name'].rpartition('/')[2]}"
        tree = folder / f"{kind}-{digest}.tar"
        if tree.exists():
            return tree
        for old in folder.glob(f"{kind}-*.tar"):
            old.unlink()
    overlay = _installed(scratch / "overlay", pip, repository) if pip else None
    unfinished = tree.with_name(f"{tree.name}.new")
    debian.unpack(unfinished, definition["packages"], suite, variant, overlay, below)
    unfinished.replace(tree)
    return tree


def on_base(definition: dict[str, Any]) -> bool:
    """Whether the image's lowest layer is the Debian that several images share.

    Not those of another release, of which there is one, nor those of a few files that no package's script has
    touched: they need nothing of Debian beneath.
    """
    installed = "packages" in definition and definition.get("variant", "essential") == "essential"
    return installed and definition.get("suite", debian.SUITE) == debian.SUITE


def copy(source: Path, target: Path, reference: str) -> None:
    """Write the image of the archive `source` under another reference; they differ in their title alone."""
    retitle(source, target, reference, {_TITLE: reference})


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


def _fill_from_base(tar: tarfile.TarFile, base: Path) -> None:
    debian.copy_tree(base, tar)


def _fill_from_tree(
    tar: tarfile.TarFile,
    tree: Path,
    config: ImageConfig,
    definition: dict[str, Any],
    built: Binaries,
    below: Path | None,
) -> None:
    added = accounts(config.user)
    kept = debian.copy_tree(tree, tar, definition.get("exclude", []), replaced=added, on=below)
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
    if program := definition.get("beside"):
        add_file(tar, f"usr/local/bin/{program}", built[program].read_bytes(), 0o755)
    if config.user and config.user.home != "/nonexistent":
        add_directory(tar, config.user.home.lstrip("/"), 0o755, config.user.uid, config.user.gid)
    for link, destination in definition.get("links", {}).items():
        info = tarfile.TarInfo(link.lstrip("/"))
        info.type, info.linkname = tarfile.SYMTYPE, destination
        tar.addfile(info)


def _clashes(line: str, name: str, number: str) -> bool:
    return line.startswith(name) or number in ":".join(["", *line.split(":")[2:3], ""])


def _fill_from_sources(tar: tarfile.TarFile, tree: Path, sources: Path) -> None:
    debian.compile_modules(sources, tree)

    def of_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        return info

    for path in sorted(sources.rglob("*")):
        tar.add(path, str(path.relative_to(sources)), recursive=False, filter=of_root)


def _copied(directory: Path, copy: dict[str, Any], repository: Path) -> Path:
    """The files of the repository that come on top, below the path that they have in the image."""
    for path in copy["paths"]:
        source, target = repository / path, directory / copy["to"].lstrip("/") / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    return _readable(directory)


def _installed(directory: Path, pip: dict[str, Any], repository: Path) -> Path:
    """The Python packages of the image, below the path that they have in it."""
    _install_requirements(directory / pip["target"].lstrip("/"), pip, repository)
    return _readable(directory)


def _readable(directory: Path) -> Path:
    """What the image's user may read doesn't depend on the umask of who builds it."""
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    return directory


def _install_requirements(target: Path, pip: dict[str, Any], repository: Path) -> None:
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
    command += ["--target", str(target), "-r", str(repository / pip["requirements"])]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise UserError(
            f"pip could not install the image's requirements:\n{done.stderr.strip()[-1000:]}",
            "See that pip reaches its index, and run the command again.",
        )
