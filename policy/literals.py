"""No secret stands in clear: it lies in a Secret, and a pod gets it as a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any

from policy.plain import Path, at, listed, mapping, text, texts
from policy.pods import Pod, pod_of
from policy.resources import Resource, Stack
from policy.rule import Context, Finding, Rule
from policy.secret_text import given_to_program, is_literal, is_secret_name, kinds_in, shape

_ADVICE = "Keep it in a Secret, and mount that as a file."
_LEAST = 8
"""A shorter value of a Secret may stand anywhere by chance."""
# written by clients of the API, not by a program
_FOREIGN = {"kubectl.kubernetes.io/last-applied-configuration"}


def _environment(resource: Resource, _: Context) -> Iterable[Finding]:
    pod = pod_of(resource)
    for container in pod.containers if pod else ():
        for index, each in enumerate(listed(container.body, "env")):
            name, value = text(mapping(each).get("name")), text(mapping(each).get("value"))
            what = "a secret, by its name" if is_secret_name(name) and is_literal(value) else shape(value)
            if what:
                yield Finding(
                    (*container.path, "env", index, "value"),
                    f"of {name} holds {what}, in clear",
                    f"{_ADVICE[:-1]}, or take it by valueFrom.secretKeyRef.",
                )


def _commands(pod: Pod) -> Iterator[tuple[Path, str]]:
    """Every argument that a container is started, probed or stopped with, and the one after a bare option."""
    handlers = ("startupProbe", "readinessProbe", "livenessProbe")
    for container in pod.containers:
        places: list[Path] = [("command",), ("args",)]
        places += [(each, "exec", "command") for each in handlers]
        places += [("lifecycle", each, "exec", "command") for each in ("postStart", "preStop")]
        for place in places:
            words = listed(container.body, *place)
            for index, word in enumerate(words):
                following = text(words[index + 1]) if index + 1 < len(words) else ""
                alone = text(word).startswith("-") and "=" not in text(word) and not following.startswith("-")
                yield (*container.path, *place, index), f"{text(word)} {following}" if alone else text(word)
        for handler in (*handlers, "lifecycle"):
            for path, value in texts(container.body.get(handler), (handler,)):
                if path[-1] == "value":  # of a header of a request over HTTP
                    yield (*container.path, *path), f"authorization: {value}"


def _command_line(resource: Resource, _: Context) -> Iterable[Finding]:
    pod = pod_of(resource)
    for path, words in _commands(pod) if pod else ():
        for _number, what in kinds_in(words):
            yield Finding(path, f"holds {what}, which every process of the pod can see", _ADVICE)
    for container in pod.containers if pod else ():
        words = [text(each) for name in ("command", "args") for each in listed(container.body, name)]
        if given_to_program(" ".join(words)):
            place = "args" if container.body.get("args") else "command"
            found = "hands a password to a program, which every process of the pod can see"
            yield Finding((*container.path, place), found, _ADVICE)


def _config_map(resource: Resource, _: Context) -> Iterable[Finding]:
    if not resource.is_a("ConfigMap"):
        return
    for key, value in mapping(resource.props, "data").items():
        content = text(value)
        if is_secret_name(key) and "\n" not in content.strip() and is_literal(content):
            yield Finding(("data", key), "holds a secret, by its name", _ADVICE)
            continue
        for number, what in kinds_in(content):
            yield Finding(("data", key), f"holds {what}, in line {number}", _ADVICE)
    for key, value in mapping(resource.props, "binaryData").items():
        if what := shape(_decoded(text(value))):
            yield Finding(("binaryData", key), f"holds {what}", _ADVICE)


def _annotations(resource: Resource, _: Context) -> Iterable[Finding]:
    if not resource.is_object:
        return
    pod = pod_of(resource)
    places: list[tuple[Path, dict[str, Any]]] = [(("metadata",), resource.meta)]
    if pod and pod.path:
        places.append(((*pod.path, "metadata"), mapping(pod.body, "metadata")))
    for path, meta in places:
        for name in ("annotations", "labels"):
            for key, value in mapping(meta, name).items():
                content, last = text(value), key.rpartition("/")[2]
                if key in _FOREIGN:
                    continue
                what = (
                    "a secret, by its name"
                    if is_secret_name(last) and is_literal(content)
                    else shape(content)
                )
                if what:
                    yield Finding((*path, name, key), f"holds {what}", _ADVICE)


def _marked(resource: Resource, _: Context) -> Iterable[Finding]:
    """What the program itself marks as secret: the Pulumi CLI doesn't tell its policies of that."""
    for path in resource.secrets if resource.is_object else ():
        kept = resource.is_a("Secret") and path[:1] in (("data",), ("stringData",))
        if not kept and at(resource.props, *path) is not None:
            yield Finding(path, "is a secret of the program, in clear for the cluster", _ADVICE)


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return ""


def _secret_values(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """The values of all Secrets that can't stand elsewhere by chance."""
    for each in stack:
        if not each.is_a("Secret"):
            continue
        values = {key: _decoded(text(value)) for key, value in mapping(each.props, "data").items()}
        values |= {key: text(value) for key, value in mapping(each.props, "stringData").items()}
        for key, value in values.items():
            plain = value.strip()
            random = len(plain) >= 2 * _LEAST and " " not in plain and any(map(str.isdigit, plain))
            if len(plain) >= _LEAST and (random or is_secret_name(key)):
                yield each, plain


def _copies(stack: Stack, _: Context) -> Iterable[Finding]:
    known = list(_secret_values(stack))
    for each in stack:
        if each.is_a("Secret") or not each.is_object:
            continue
        for path, content in texts(each.props):
            if "managedFields" in path or path[-1] in _FOREIGN:
                continue
            for secret, value in known:
                if value in content:
                    yield Finding(path, f"holds a value of {secret.title}, in clear", _ADVICE, each)


_FAMILY = "Secrets"
RULES = (
    Rule("secret-in-env", _FAMILY, "Everyone who may read a pod can read its environment.", _environment),
    Rule("secret-in-command", _FAMILY, "Every process of the node can see a command line.", _command_line),
    Rule("secret-in-config-map", _FAMILY, "Many people and programs can read a ConfigMap.", _config_map),
    Rule(
        "secret-in-annotation", _FAMILY, "Annotations and labels are shown in lists and logs.", _annotations
    ),
    Rule("secret-marked", _FAMILY, "A secret of the program may only be in a Secret.", _marked),
    Rule(
        "secret-copied",
        _FAMILY,
        "A Secret protects nothing if its value is also somewhere else.",
        check_stack=_copies,
    ),
)
