"""Unpacks Debian packages into a tar file with mmdebstrap, from the sources that this machine's apt uses."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from filewallball.errors import UserError
from filewallball.sandbox import host

SUITE = "bookworm"
"""The release of Debian for an image whose definition names none."""
_KEYS = Path("/usr/share/keyrings")

EXCLUDED = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)
"""Files that a container never needs, and that make up a good part of the size."""
_COMPILE = "python3 -m compileall -q --invalidation-mode unchecked-hash"
"""Compiled modules that are valid whatever the files' times are.

Containers can't write compiled modules, and starting from source is slow.
"""
_MERGED_USR = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
"""Merges /usr from the start. Otherwise a package is installed that does it later, and it needs all of perl.
"""
RECORD = """--extract-hook=
mkdir -p "$1/var/lib/dpkg/status.d"
for deb in "$1"/var/cache/apt/archives/*.deb; do
	dpkg-deb --field "$deb" >"$1/var/lib/dpkg/status.d/$(dpkg-deb --field "$deb" Package)"
done
"""
"""Records what is only unpacked, which dpkg knows nothing of, where scanners of images look for it."""
RECORDS = re.compile(r"var/lib/dpkg/status(\.d/[^/]+)?")
"""The files of an image that say which packages are in it."""
_FRESH = 24 * 3600.0
"""Seconds for which a base layer is used again. Updates of its packages come with the next one."""
_BASE = threading.Lock()
_LEFTOVERS = ("var/cache/", "var/lib/apt/", "var/log/", "dev/", "proc/", "sys/", "run/")
"""Folders in which mmdebstrap leaves files of its own."""
_ALWAYS = [re.compile(fnmatch.translate(each)) for each in EXCLUDED]


def sources(indextargets: str, suite: str) -> list[str]:
    """apt's lines for `suite` in Debian's own archives, from `apt-get indextargets` in our format."""
    found = set[str]()
    for line in indextargets.splitlines():
        uri, release, component, origin = line.split("|")
        if origin == "Debian" and component == "main":
            # A machine of another Debian release has the same archive with this suite in it.
            suffix = release[release.index("-") :] if "-" in release else ""
            found.add(f"deb {uri} {suite}{suffix} main")
    return sorted(found)


def system_sources(suite: str) -> list[str]:
    form = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    for attempt in range(2):
        done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", errors="replace")
        if found := sources(done.stdout, suite):
            return found
        if attempt == 0:
            host.update_package_lists()  # images of Debian come without lists
    raise UserError(
        "apt on this machine knows no Debian archive to build images from",
        f"Add Debian's {suite} to apt's sources, run `apt-get update`, and run the command again.",
    )


def ensure_keys(suite: str, keys: Path = _KEYS) -> None:
    """Make sure that apt knows the keys of `suite`; raises UserError where no update brings them.

    Debian 12 knows those of trixie since 12.11 (debian-archive-keyring 2023.3+deb12u2), not before.
    """
    if list(keys.glob(f"debian-archive-{suite}-*")):
        return
    host.upgrade("debian-archive-keyring")
    if not list(keys.glob(f"debian-archive-{suite}-*")):
        raise UserError(
            f"This machine's debian-archive-keyring doesn't know the keys of Debian {suite}",
            "Install a newer one from Debian's archive, and run the command again.",
        )


def base(suite: str, folder: Path) -> Path:
    """The tree of Debian's essential packages as a tar file in `folder`, unpacked at most once a day.

    apt's lists stay in it: what is put on top needs them.
    """
    target = folder / f"base-{suite}.tar"
    with _BASE:
        if not target.exists() or time.time() - target.stat().st_mtime > _FRESH:
            temporary = target.with_name(target.name + ".new")
            _mmdebstrap(
                temporary, suite, [], ["--variant=essential", _MERGED_USR, "--skip=cleanup/apt/lists"]
            )
            temporary.replace(target)
    return target


def unpack(
    target: Path,
    packages: Iterable[str],
    suite: str = SUITE,
    variant: str = "essential",
    overlay: Path | None = None,
    on: Path | None = None,
) -> None:
    """Write the tree of `packages` and what they depend on in Debian's `suite` to the tar file `target`.

    `variant` is mmdebstrap's: `essential` runs the packages' own scripts, `extract` only unpacks files. With
    `on`, a file of `base`, the packages are installed on top of that. What is in the directory `overlay` is
    added, and Python modules in it are compiled by the tree's own Python.
    """
    options: list[str] = []
    if on:
        fill = f'mmtarfilter "--path-exclude=/dev/*" < {shlex.quote(str(on))} | tar -C "$1" -x'
        options += ["--variant=custom", f"--setup-hook={fill}"]
    else:
        options += [f"--variant={variant}", _MERGED_USR if variant == "essential" else RECORD]
    for each in sorted(overlay.iterdir()) if overlay else ():
        options.append(f"--customize-hook=copy-in {shlex.quote(str(each))} /")
        options.append(f'--customize-hook=chroot "$1" {_COMPILE} /{each.name}')
    _mmdebstrap(target, suite, list(packages), options)


def _mmdebstrap(target: Path, suite: str, packages: list[str], options: list[str]) -> None:
    ensure_keys(suite)
    included = [*packages, *(["usr-is-merged"] if _MERGED_USR in options else [])]
    command = ["mmdebstrap", "--quiet", "--mode=root", "--format=tar", *options]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    command += [f"--include={','.join(included)}", suite, str(target), *system_sources(suite)]
    # Next to the target, so that what a killed run leaves is cleaned up with the rest.
    environment = {**os.environ, "TMPDIR": str(target.parent)}
    done = subprocess.run(
        command, check=False, capture_output=True, encoding="utf-8", errors="replace", env=environment
    )
    if done.returncode:
        target.unlink(missing_ok=True)
        tail = "\n".join(line[:300] for line in done.stderr.strip().splitlines()[-8:])
        raise UserError(
            f"mmdebstrap failed on {', '.join(packages) or 'the base'}:\n{tail}",
            "Correct apt's sources, and run the command again.",
        )


def compile_modules(sources: Path, tree: Path) -> None:
    """Compile the Python modules below `sources` by the Python of an image's tree, at their paths in it."""
    own = [path for path in (sources, *sources.rglob("*")) if path.is_dir() and list(path.glob("*.py"))]
    folders = [path.relative_to(sources) for path in own]
    with tempfile.TemporaryDirectory(dir=sources.parent) as root:
        # a machine's own tar is several times as fast as Python's
        _run(["tar", "-x", "-f", str(tree), "-C", root, "--exclude=./dev/*"])
        shutil.copytree(sources, root, dirs_exist_ok=True)
        _run(["chroot", root, *_COMPILE.split(), "-l", *(f"/{folder}" for folder in folders)])
        for folder in folders:
            shutil.copytree(Path(root, folder, "__pycache__"), sources / folder / "__pycache__")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise UserError(
            f"{command[0]} failed while an image was built:\n{done.stderr.strip()[-1000:]}",
            "See that the disk of the cache has room, and run the command again.",
        )


def copy_tree(
    source: Path,
    tar: tarfile.TarFile,
    exclude: Iterable[str] = (),
    replaced: Iterable[str] = (),
    on: Path | None = None,
) -> dict[str, bytes]:
    """Copy the tree into an image's layer, without what matches `exclude` (where `*` also matches slashes).

    With `on`, the tree of the layer below, only what differs from it is copied, and what is in it alone is
    marked as removed. Returns the contents of the `replaced` files, which are left out as well.
    """
    patterns = [re.compile(fnmatch.translate(each)) for each in (*EXCLUDED, *exclude)]
    below = {name: _identity(member) for name, member, _ in _members(on, _ALWAYS)} if on else {}
    kept: dict[str, bytes] = {}
    for name, member, file in _members(source, patterns):
        known = below.pop(name, None)
        if file and name in replaced:
            kept[name] = file.read()
        elif known != _identity(member):
            tar.addfile(member, file)
    for name in sorted(below):
        folder, _, last = name.rpartition("/")
        if folder not in below:  # else it went with its folder
            tar.addfile(tarfile.TarInfo(f"{folder}/.wh.{last}" if folder else f".wh.{last}"))
    return kept


def _members(
    source: Path, exclude: list[re.Pattern[str]]
) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes] | None]]:
    """What of a tree belongs into an image: its name, its entry, and its content if it is a file."""
    with tarfile.open(source) as tree:
        for member in tree:
            name = member.name.removeprefix("./").rstrip("/")
            leftover = any(name.startswith(each) and name != each.rstrip("/") for each in _LEFTOVERS)
            if not leftover and not any(pattern.match(f"/{name}") for pattern in exclude):
                yield name, member, tree.extractfile(member) if member.isreg() else None


def _identity(member: tarfile.TarInfo) -> tuple[object, ...]:
    """Equal for what a package manager has left alone: whatever it writes anew has another time."""
    at = 0 if member.isdir() else int(member.mtime)
    return member.type, member.mode, member.uid, member.gid, member.size, at, member.linkname


def versions(source: Path) -> dict[str, str]:
    """The version of each package in a tree, as dpkg recorded it."""
    found: dict[str, str] = {}
    with tarfile.open(source) as tree:
        for member in tree:
            if RECORDS.fullmatch(member.name.removeprefix("./")) and (file := tree.extractfile(member)):
                for paragraph in file.read().decode().split("\n\n"):
                    fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line[:40])
                    if "Package" in fields and "Version" in fields:
                        found[fields["Package"]] = fields["Version"]
    return found
