"""The session set's pods in what was rendered."""

from __future__ import annotations

from typing import Any

from program_run import Rendered

SETS = {"valkey": 3, "valkey-sentinel": 5}


def pod(rendered: Rendered, name: str) -> dict[str, Any]:
    return rendered.object("StatefulSet", name).inputs["spec"]["template"]


def container(rendered: Rendered, name: str) -> dict[str, Any]:
    owner = "valkey-sentinel" if name == "sentinel" else "valkey"
    return next(each for each in pod(rendered, owner)["spec"]["containers"] if each["name"] == name)


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}
