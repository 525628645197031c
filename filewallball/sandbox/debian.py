"""Unpacks Debian packages into a tar file with mmdebstrap, from the sources that this machine's apt uses."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from filewallball.errors import UserError
from filewallball.sandbox import host

SUITE = "bookworm"  # of an image whose definition names none
_KEYS = Path("/usr/share/keyrings")

# Never of use in a container, and a good part of the size.
EXCLUDED = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)
# Valid whatever the files' times: containers can't write compiled modules, and starting from source is slow.
_COMPILE = "python3 -m compileall -q --invalidation-mode unchecked-hash"
# What mmdebstrap leaves that is of its own making, below these.
_LEFTOVERS = ("var/cache/", "var/lib/apt/", "var/log/", "dev/", "proc/", "sys/", "run/")


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
        f"add Debian's {suite} to apt's sources, run apt-get update, and try again",
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
            f"this machine's debian-archive-keyring doesn't know the keys of Debian {suite}",
            "install a newer one from Debian's archive, and run again",
        )


def unpack(
    target: Path,
    packages: Iterable[str],
    suite: str = SUITE,
    variant: str = "essential",
    overlay: Path | None = None,
) -> None:
    """Write the tree of `packages` and what they depend on in Debian's `suite` to the tar file `target`.

    `variant` is mmdebstrap's: `essential` runs the packages' own scripts, `extract` only unpacks files. What
    is in the directory `overlay` is added, and Python modules in it are compiled by the tree's own Python.
    """
    ensure_keys(suite)
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    included = list(packages)
    if variant == "essential":
        # Merges /usr from the start; otherwise a package comes in that does it later, with all of perl.
        options.append("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")
        included.append("usr-is-merged")
    if overlay:
        options += [
            f"--customize-hook=copy-in {shlex.quote(str(each))} /" for each in sorted(overlay.iterdir())
        ]
        options += [
            f'--customize-hook=chroot "$1" {_COMPILE} /{each.name}' for each in sorted(overlay.iterdir())
        ]
    command = ["mmdebstrap", "--quiet", "--mode=root", "--format=tar", f"--variant={variant}", *options]
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
            f"mmdebstrap failed on {', '.join(packages)}:\n{tail}", "mend apt's sources, and run again"
        )


def copy_tree(
    source: Path, tar: tarfile.TarFile, exclude: Iterable[str] = (), replaced: Iterable[str] = ()
) -> dict[str, bytes]:
    """Copy the tree into an image's layer, without what matches `exclude` (where `*` also matches slashes).

    Returns the contents of the `replaced` files, which are left out as well.
    """
    patterns = [re.compile(fnmatch.translate(each)) for each in (*EXCLUDED, *exclude)]
    kept: dict[str, bytes] = {}
    with tarfile.open(source) as tree:
        for member in tree:
            name = member.name.removeprefix("./")
            if any(name.startswith(each) and name != each.rstrip("/") for each in _LEFTOVERS):
                continue
            if any(pattern.match(f"/{name}") for pattern in patterns):
                continue
            file = tree.extractfile(member) if member.isreg() else None
            if file and name in replaced:
                kept[name] = file.read()
            else:
                tar.addfile(member, file)
    return kept


def versions(source: Path) -> dict[str, str]:
    """The version of each package in a tree, as dpkg recorded it."""
    found: dict[str, str] = {}
    with tarfile.open(source) as tree:
        for member in tree:
            if member.name.removeprefix("./") == "var/lib/dpkg/status" and (file := tree.extractfile(member)):
                for paragraph in file.read().decode().split("\n\n"):
                    fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line[:40])
                    if "Package" in fields and "Version" in fields:
                        found[fields["Package"]] = fields["Version"]
    return found
