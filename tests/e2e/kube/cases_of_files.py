"""Kubeconfigs by their form, and several at once."""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml
from kubeconfig_cases import Case, Cluster, config, refused, works


def named(at: Cluster, name: str, token: str, current: bool = True) -> dict[str, Any]:
    """A kubeconfig whose entries all have this name."""
    found = config(at, user={"token": token})
    for part in ("clusters", "users", "contexts"):
        found[part][0]["name"] = name
    found["contexts"][0]["context"] = {"cluster": name, "user": name}
    return {**found, "current-context": name if current else ""}


@works
def the_context_of_the_second_file(at: Cluster) -> Case:
    return Case({"a": named(at, "a", "wrong"), "b": named(at, "b", at.token)}, "a:b", "b")


@works
def the_current_context_of_the_first_file(at: Cluster) -> Case:
    return Case({"a": named(at, "a", at.token), "b": named(at, "b", "wrong")}, "a:b")


@works
def the_current_context_of_the_second_file(at: Cluster) -> Case:
    return Case({"a": named(at, "a", "wrong", current=False), "b": named(at, "b", at.token)}, "a:b")


@works
def the_first_of_a_name_wins(at: Cluster) -> Case:
    return Case({"a": named(at, "a", at.token), "b": named(at, "a", "wrong")}, "a:b")


@works
def parts_in_three_files_and_folders(at: Cluster) -> Case:
    whole = config(at, user={"tokenFile": "token"}, **{"certificate-authority-data": None})
    whole["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    parts = {
        "c/config": {"clusters": whole["clusters"]},
        "u/config": {"users": whole["users"]},
        "x/config": {"contexts": whole["contexts"], "current-context": "here"},
    }
    return Case(
        {**parts, "c/ca.crt": at.authority.decode(), "u/token": at.token}, "x/config:u/config:c/config"
    )


@works
def missing_files_empty_files_and_empty_names(at: Cluster) -> Case:
    return Case({"a": "", "b": "# nothing\n", "c": config(at)}, ":absent::a:b:c:c:")


@refused
def one_file_is_broken(at: Cluster) -> Case:
    return Case({"a": config(at), "b": "a: ["}, "a:b")


@refused
def one_is_a_folder(at: Cluster) -> Case:
    return Case({"a": config(at), "b/c": ""}, "a:b")


@refused
def none_is_there(at: Cluster) -> Case:
    return Case({}, "a:b")


# ---- names and forms ----


@refused
def no_context_of_that_name(at: Cluster) -> Case:
    return Case({"config": config(at)}, context="elsewhere")


@refused
def a_wrong_current_context(at: Cluster) -> Any:
    return {**config(at), "current-context": "elsewhere"}


@refused
def no_current_context(at: Cluster) -> Any:
    return {**config(at), "current-context": ""}


@refused
def a_cluster_that_is_not_there(at: Cluster) -> Any:
    return {**config(at), "clusters": []}


@refused
def a_name_twice(at: Cluster) -> Any:
    found = config(at)
    return {**found, "users": found["users"] * 2}


@refused
def a_number_as_token(at: Cluster) -> Any:
    return config(at, user={"token": 123})


@refused
def a_wrong_type_elsewhere(at: Cluster) -> Any:
    found = config(at)
    return {**found, "users": [*found["users"], {"name": "other", "user": {"token": True}}]}


@refused
def a_quoted_boolean(at: Cluster) -> Any:
    return config(at, **{"certificate-authority-data": None, "insecure-skip-tls-verify": "true"})


@refused
def not_base64(at: Cluster) -> Any:
    return config(at, **{"certificate-authority-data": "-----BEGIN"})


@works
def base64_of_many_lines(at: Cluster) -> Any:
    return config(at, **{"certificate-authority-data": base64.encodebytes(at.authority).decode()})


@works
def json_with_tabs(at: Cluster) -> str:
    return json.dumps(config(at), indent="\t")


@works
def unknown_fields_and_extensions(at: Cluster) -> Any:
    found = config(at, extensions=[{"name": "x", "extension": {"a": 1}}], colour="red")
    return {**found, "preferences": {"colors": True}, "more": [1], "extensions": []}


@works
def two_documents(at: Cluster) -> str:
    return yaml.safe_dump(config(at)) + "---\nsecond: 1\n"


@works
def a_date_as_name(at: Cluster) -> str:
    return yaml.safe_dump(config(at)).replace(" here", " 2024-01-01").replace(": here", ": 2024-01-01")


@works
def byte_order_mark(at: Cluster) -> str:
    return "\ufeff" + yaml.safe_dump(config(at))


@works
def without_kind(at: Cluster) -> Any:
    return {key: value for key, value in config(at).items() if key not in ("kind", "apiVersion")}


@refused
def another_kind(at: Cluster) -> Any:
    return {**config(at), "kind": "Pod"}


@refused
def another_version(at: Cluster) -> Any:
    return {**config(at), "apiVersion": "v2"}


@refused
def a_list(at: Cluster) -> str:
    return yaml.safe_dump([config(at)])


@refused
def no_yaml(at: Cluster) -> str:
    return "a: [\n"


@refused
def an_empty_file(at: Cluster) -> str:
    return ""


@refused
def a_folder(at: Cluster) -> Case:
    return Case({"config/file": ""})
