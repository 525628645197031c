"""The backups in a store."""

from __future__ import annotations

from filewallball.backup.fields import ManifestError
from filewallball.errors import UserError, nearest
from filewallball.stability.keys import names
from filewallball.stability.keys.manifest import Manifest
from filewallball.stability.keys.places import Place


def finished(place: Place) -> tuple[list[str], list[str]]:
    """The names of finished backups and of unfinished ones, the oldest first."""
    found: dict[str, bool] = {}
    for key in place.sizes():
        name, _, rest = key.partition("/")
        if names.target_of(name):
            found[name] = found.get(name, False) or rest == names.MANIFEST
    order = sorted(found, key=names.time_of)
    return [name for name in order if found[name]], [name for name in order if not found[name]]


def find(place: Place, name: str) -> Manifest:
    """The manifest of that backup. Raises UserError."""
    text = place.get(f"{name}/{names.MANIFEST}")
    if text is None:
        whole, begun = finished(place)
        if name in begun:
            raise UserError(
                f"{name} was never finished.",
                "Run `fwb redis backup TARGET`, which goes on with it, or restore another one.",
            )
        raise UserError(
            f"There is no backup {name} in {place.where}.", nearest(name, reversed(whole), "Backups")
        )
    try:
        found = Manifest.from_json(text)
    except ManifestError as error:
        raise UserError(
            f"The manifest of {name} cannot be read: {error}.",
            "Restore another one. `fwb redis restore TARGET --list` shows them.",
        ) from error
    if found.id != name:
        raise UserError(
            f"The manifest of {name} is that of {found.id}.",
            "Restore another one. `fwb redis restore TARGET --list` shows them.",
        )
    return found


def latest(place: Place, target: str) -> Manifest:
    """The newest finished backup of a target. Raises UserError."""
    whole, _ = finished(place)
    for name in reversed(whole):
        if names.target_of(name) == target:
            return find(place, name)
    raise UserError(
        f"There is no finished backup of {target} in {place.where}.",
        f"{nearest(target, reversed(whole), 'Backups')} Name one with --id, or make one with "
        "`fwb redis backup TARGET`.",
    )
