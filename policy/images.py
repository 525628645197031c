"""Images: what runs is what was tested, and comes from where it should."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from policy.plain import Path, at, text
from policy.pods import pod_of
from policy.resources import Resource
from policy.rule import Context, Finding, Rule, names

_DIGEST = re.compile(r"@sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$")
_REGISTRIES = "registries"


def _images(resource: Resource) -> Iterator[tuple[Path, str]]:
    pod = pod_of(resource)
    if not pod:
        return
    for container in pod.containers:
        yield (*container.path, "image"), text(container.body.get("image"))
    for path, volume in pod.volumes:
        if reference := text(at(volume, "image", "reference")):
            yield (*path, "image", "reference"), reference


def full_name(image: str) -> str:
    """The reference with its registry, as a node reads it: `redis:7` is `docker.io/library/redis:7`."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def _tag(resource: Resource, _: Context) -> Iterable[Finding]:
    for path, image in _images(resource):
        name = image.partition("@")[0].rpartition("/")[2]
        tag = name.partition(":")[2]
        if not image or _DIGEST.search(image) or (tag and tag != "latest"):
            continue
        what = "takes the tag latest" if tag else "has no tag"
        yield Finding(path, f"is {image}, which {what}", "Write the version's tag, or the digest.")


def _digest(resource: Resource, _: Context) -> Iterable[Finding]:
    for path, image in _images(resource):
        if image and not _DIGEST.search(image):
            yield Finding(
                path,
                f"is {image}, which can change between two starts of a pod",
                f"Write {image.partition('@')[0]}@sha256:… with the digest of what was tested.",
            )


def _registry(resource: Resource, context: Context) -> Iterable[Finding]:
    allowed: list[str] = context.options[_REGISTRIES]
    for path, image in _images(resource):
        if not image:
            continue
        full = full_name(image)
        if allowed and not any(full.startswith(f"{each.rstrip('/')}/") for each in allowed):
            yield Finding(
                path,
                f"is {image}, from a registry that isn't allowed",
                f"Take it from {' or '.join(allowed)}, or add the registry to the rule's {_REGISTRIES}.",
            )
        elif context.production and not allowed and full != image:
            yield Finding(
                path,
                f"is {image}, which names no registry",
                f"Write {full}, or the name that the image has in your registry.",
            )


_FAMILY = "Images"
RULES = (
    Rule("image-tag", _FAMILY, "Without a version, the image can change at every start.", _tag),
    Rule(
        "image-digest",
        _FAMILY,
        "A tag can be moved to another image, a digest can't.",
        _digest,
        production=True,
    ),
    Rule(
        "image-registry",
        _FAMILY,
        "Images must come from registries that you trust.",
        _registry,
        own_options=(
            names(
                _REGISTRIES,
                "Registries with any path, such as ghcr.io/acme; none: all, but production writes them out",
            ),
        ),
    ),
)
