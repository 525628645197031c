"""The images of a sandbox: built on this machine under the references that a stack asks for, and imported."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import yaml

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox import builder, debian, process, readiness, trials
from filewallball.sandbox.locks import exclusive
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.supervisor import write_atomically
from filewallball.sandbox.toolchain import Binaries, binaries

DEFINITIONS = Path(__file__).parent / "images.yaml"
REPOSITORY = Path(__file__).parents[2]

OURS = "docker.io/filewallball/"
"""Images that images/<name>/image.yaml of the repository defines. Their tags follow the sources."""

_SETTINGS = {"peers": "balancer.peers.image"}
"""Of our images whose settings stand elsewhere than in a part of their own name."""

OWN = ("registry.k8s.io/pause:3.10.1", "registry.k8s.io/coredns/coredns:v1.14.7")
"""What the sandbox itself runs."""

_AT_ONCE = 2
"""Builds at the same time. Unpacking packages is limited by the processor."""
_KEPT = 3
"""Archives that are kept of one image, and of our images in one sandbox. Each change of the sources makes
another.
"""


def normalise(reference: str) -> str:
    """A reference as the container runtime names images: `redis:7` becomes `docker.io/library/redis:7`."""
    name, separator, rest = reference.partition("/")
    if not separator:
        reference = f"docker.io/library/{reference}"
    elif not ("." in name or ":" in name or name == "localhost"):
        reference = f"docker.io/{name}/{rest}"
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


@cache
def definitions() -> Mapping[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", yaml.safe_load(DEFINITIONS.read_text(encoding="utf-8")))


def definition(reference: str) -> dict[str, Any]:
    """How the image is built; raises UserError for a reference that nothing here says how to build."""
    full = normalise(reference)
    if found := definitions().get(full):
        return {**definition(found["like"]), **found} if "like" in found else found
    if full.startswith(OURS) and (file := _source(full)).is_file():
        return _own(full, file)
    known = "\n    ".join(sorted(definitions()))
    raise UserError(
        f"A sandbox can't pull images, and nothing says how to build {reference}",
        f"Use one of these, or define yours in {DEFINITIONS.relative_to(REPOSITORY)}:\n    {known}.",
    )


def _source(full: str) -> Path:
    return REPOSITORY / "images" / _short(full) / "image.yaml"


def _short(reference: str) -> str:
    return reference.rpartition("/")[2].partition(":")[0]


def _own(full: str, file: Path) -> dict[str, Any]:
    short = _short(full)
    ours = own_reference(short)
    if normalise(ours) != full:
        raise UserError(
            f"{full} isn't the {short} image of this checkout, which is {ours}",
            f"Leave filewallball:{setting_of(short)} out of the stack's config, and it follows the sources.",
        )
    return cast("dict[str, Any]", yaml.safe_load(file.read_text(encoding="utf-8")))


def setting_of(short: str) -> str:
    """The setting that names the image that images/<short> defines."""
    return _SETTINGS.get(short, f"{short}.image")


def own_reference(short: str) -> str:
    """What a stack calls the image that images/<short> of this checkout defines."""
    return str(_program_images().reference(short))


@cache
def _program_images() -> ModuleType:
    """The program's module that knows what a tag stands for; the program isn't an installed package."""
    spec = spec_from_file_location("_program_images", REPOSITORY / "components" / "images.py")
    if spec is None or spec.loader is None:
        raise AssertionError(f"no components/images.py in {REPOSITORY}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ensure(name: str, references: Iterable[str], progress: Progress | None = None) -> None:
    """Build and import the images that the running sandbox `name` lacks; an unknown one is a UserError."""
    progress = progress or Progress()
    wanted = sorted({normalise(each) for each in references})
    identity = process.running(paths.sandbox_dir(name))
    if identity is None:
        raise UserError(f"sandbox {name} does not run", f"Run `fwb sandbox up --name {name}`.")
    built = binaries(progress)
    recorded, present = _recorded(name), _present(identity, built)
    # An image that somebody imported by hand needs no definition.
    known = [each for each in wanted if each in recorded or each not in present]
    lacking = [
        each for each in known if each not in present or recorded.get(each) != archive(each, built).name
    ]
    build(lacking, built, progress)
    load(name, lacking, built, progress)


def build(references: Iterable[str], built: Binaries, progress: Progress) -> None:
    """Make the archives of images in the cache, where they are missing."""
    missing = [each for each in references if not archive(each, built).exists()]
    if not missing:
        return
    models = {model for each in missing if (model := definition(each).get("like"))}
    first = {each for each in [*missing, *models] if "like" not in definition(each)}
    with (
        exclusive(_folder() / "lock", progress, "another build of images"),
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        _remove_leftovers()
        for group in (first, {*missing} - first):
            # Those on the shared base last: the first of them makes it, and the others wait.
            ordered = sorted(group, key=lambda each: (builder.on_base(definition(each)), each))
            try:
                for done in [pool.submit(_build, each, built, progress) for each in ordered]:
                    done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # only those under way are waited for
                raise


def _build(reference: str, built: Binaries, progress: Progress) -> None:
    target = archive(reference, built)
    if target.exists():
        return
    with progress.step(f"building image {reference}"):
        how = definition(reference)
        if model := how.get("like"):
            builder.copy(archive(model, built), target, reference)
        else:
            builder.build(target, reference, how, built, REPOSITORY)
    for old in sorted(_folder().glob(f"{_short(reference)}-*.tar"), key=lambda file: file.stat().st_mtime)[
        :-_KEPT
    ]:
        old.unlink()


def _remove_leftovers() -> None:
    """Delete what builds that were killed have left; we hold the lock, so no other build runs."""
    for leftover in _folder().iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover)
        elif leftover.suffix in (".layer", ".new"):
            leftover.unlink()


def archive(reference: str, built: Binaries) -> Path:
    """The file in the cache; its name changes with all that the image is made from."""
    parts: list[object] = [builder.VERSION, reference, definition(reference)]
    if program := definition(reference).get("program") or definition(reference).get("beside"):
        parts.append(built[program].parent.name)
    if definition(reference).get("variant") == "extract":
        parts.append(debian.RECORD)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
    short = reference.rpartition("/")[2].replace(":", "-")
    return _folder() / f"{short}-{digest}.tar"


def _folder() -> Path:
    return paths.cache_dir() / "images"


def load(name: str, references: Iterable[str], built: Binaries, progress: Progress | None = None) -> None:
    """Import archives into the running sandbox, except those that it has."""
    identity = process.running(paths.sandbox_dir(name))
    if identity is None:
        raise UserError(f"sandbox {name} does not run", f"Run `fwb sandbox up --name {name}`.")
    with exclusive(
        paths.sandbox_dir(name) / "images.lock", progress or Progress(), "another import of images"
    ):
        recorded, present = _recorded(name), _present(identity, built)
        for reference in references:
            file = archive(reference, built)
            if reference in present and recorded.get(reference) == file.name:
                continue
            if progress:
                progress.say(f"importing {reference}")
            _ctr(
                identity, built, "images", "import", "--local", "--snapshotter", _snapshotter(name), str(file)
            )
            # Last in order, as the newest.
            recorded = {key: value for key, value in recorded.items() if key != reference} | {
                reference: file.name
            }
            for each in _outdated(recorded, reference):
                _ctr(identity, built, "images", "remove", each)
                del recorded[each]
            write_atomically(paths.sandbox_dir(name) / "images.json", json.dumps(recorded, indent=1))


def _outdated(recorded: Iterable[str], reference: str) -> list[str]:
    """The oldest of those of our images that have the newly imported one's name."""
    if not reference.startswith(OURS):
        return []
    return [each for each in recorded if each.startswith(f"{OURS}{_short(reference)}:")][:-_KEPT]


def unpack_with(name: str, snapshotter: str) -> None:
    """Have containerd put images together this way; if it is another than before, they are imported anew."""
    directory = paths.sandbox_dir(name)
    if _snapshotter(name) != snapshotter:
        (directory / "images.json").unlink(missing_ok=True)
    write_atomically(directory / "snapshotter", snapshotter)


def _snapshotter(name: str) -> str:
    try:
        return (paths.sandbox_dir(name) / "snapshotter").read_text(encoding="utf-8")
    except OSError:
        return trials.OVERLAY


def _recorded(name: str) -> dict[str, str]:
    """Which archive each image was imported from."""
    try:
        return json.loads((paths.sandbox_dir(name) / "images.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _present(identity: process.Identity, built: Binaries) -> set[str]:
    return set(_ctr(identity, built, "images", "list", "--quiet").split())


def _ctr(identity: process.Identity, built: Binaries, *arguments: str) -> str:
    socket = readiness.runtime_socket(identity)
    command = [built["ctr"], "--address", socket, "--namespace", "k8s.io", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise UserError(
            f"ctr {' '.join(arguments[:2])} failed: {done.stderr.strip()}",
            "Look at containerd.log in the folder of the sandbox.",
        )
    return done.stdout
