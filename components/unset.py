"""Values that a stack leaves to its owner: each SET-ME is named, and gives way so that the rest can be shown.

Pure: no Pulumi, no cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.faults import Fault
from components.reasons import inner_model
from components.schema.base import STAND_IN, WRITE, names_image, structured
from facts.placeholder import PLACEHOLDER

NO_DIGEST = f"@sha256:{PLACEHOLDER}"
ZEROS = "@sha256:" + "0" * 64
"""What the digest of an image is shown as until it is set."""
_IMAGE = "set-me.invalid/image"


def drafted(given: Mapping[str, Any], model: type[BaseModel]) -> tuple[dict[str, Any], list[Fault]]:
    """The values with something right in the place of each SET-ME, and what is still to be set, by path."""
    faults: list[Fault] = []
    return _part(given, model, "", faults), faults


def _part(
    given: Mapping[str, Any], model: type[BaseModel] | None, above: str, faults: list[Fault]
) -> dict[str, Any]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()} if model else {}
    filled: dict[str, Any] = {}
    for key, value in given.items():
        field, path = fields.get(key), f"{above}{key}"
        inner = inner_model(field.annotation) if field else None
        value = structured(value) if inner else value
        if isinstance(value, Mapping):
            filled[key] = _part(cast("Mapping[str, Any]", value), inner, f"{path}.", faults)
        elif isinstance(value, str) and PLACEHOLDER in value:
            faults.append((path, value, _why(field, value)))
            shown = _stand_in(field, value) if model else value
            if shown is not None:  # else the default is shown
                filled[key] = shown
        else:
            filled[key] = value
    return filled


def _why(field: FieldInfo | None, value: str) -> str:
    if field and names_image(field.annotation, field.metadata) and value.endswith(NO_DIGEST):
        return "its digest has not been set yet; `fwb images pin STACK` writes it"
    told = _told(field).get(WRITE, "what is meant")
    return f"has not been set yet; write {told}"


def _stand_in(field: FieldInfo | None, value: str) -> str | None:
    if field and names_image(field.annotation, field.metadata):
        return value.replace(NO_DIGEST, ZEROS) if value.endswith(NO_DIGEST) else _IMAGE + ZEROS
    return _told(field).get(STAND_IN)


def _told(field: FieldInfo | None) -> dict[str, str]:
    told = field.json_schema_extra if field else None
    return cast("dict[str, str]", told) if isinstance(told, dict) else {}
