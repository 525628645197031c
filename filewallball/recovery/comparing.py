"""Whether a restored database is what the manifest tells, and whether it still is when time has passed."""

from __future__ import annotations

from filewallball.backup.inventory import Inventory
from filewallball.backup.manifest import Manifest


def differing(manifest: Manifest, found: Inventory) -> list[str]:
    """One line for each thing that is not as the manifest has it; empty if all is."""
    lines = [
        f"table {name} is {'missing' if name in manifest.tables else 'new'}"
        for name in sorted({*manifest.tables} ^ {*found.tables})
    ]
    for name in sorted({*manifest.tables} & {*found.tables}):
        want, have = manifest.tables[name], found.tables[name]
        if want.rows != have.rows:
            lines.append(f"table {name} has {have.rows} rows, {want.rows} in the manifest")
        elif want.checksum != have.checksum:
            lines.append(f"table {name}: the checksum of its {want.rows} rows differs")
        if want.definition != have.definition:
            lines.append(f"table {name}: its definition differs")
    for kind, wanted in sorted(manifest.objects.items()):
        present = found.objects.get(kind, {})
        lines += [
            f"{kind} {name} {'differs' if name in present else 'is missing'}"
            for name in sorted(wanted)
            if present.get(name) != wanted[name]
        ]
    return lines
