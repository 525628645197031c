"""Kubeconfigs of all kinds, and what kubectl makes of each: it works, or is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from loopback import as_pem

EXEC = "client.authentication.k8s.io"


@dataclass
class Cluster:
    """A real API server, the ways to it, and who is known there."""

    server: str
    authority: bytes
    certificate: bytes
    key: bytes
    token: str
    plain: str
    """The same server over plain HTTP (`kubectl proxy`), where everybody is the administrator."""
    below: str
    """The same, below a path."""
    http_proxy: str
    https_proxy: str
    socks_proxy: str


@dataclass
class Case:
    """`files` by name. KUBECONFIG names `listed`, a colon between; else --kubeconfig names `config`."""

    files: dict[str, str | dict[str, Any]]
    listed: str = ""
    context: str | None = None
    environment: dict[str, str] = field(default_factory=dict[str, str])


Make = Callable[[Cluster], Case | dict[str, Any] | str]
WORKS: dict[str, Make] = {}
REFUSED: dict[str, Make] = {}


def works(make: Make) -> Make:
    WORKS[make.__name__] = make
    return make


def refused(make: Make) -> Make:
    REFUSED[make.__name__] = make
    return make


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def config(at: Cluster, *, user: dict[str, Any] | None = None, **cluster: Any) -> dict[str, Any]:
    """A kubeconfig with one context; what is given replaces the token, or adds to the cluster."""
    there: dict[str, Any] = {"server": at.server, "certificate-authority-data": b64(at.authority), **cluster}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {"name": "there", "cluster": {key: value for key, value in there.items() if value is not None}}
        ],
        "contexts": [{"name": "here", "context": {"cluster": "there", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": at.token} if user is None else user}],
    }


def certificate(at: Cluster) -> dict[str, str]:
    return {"client-certificate-data": b64(at.certificate), "client-key-data": b64(at.key)}


def plugin(version: str = "v1", command: str = "./plugin", **more: Any) -> dict[str, Any]:
    return {
        "exec": {"apiVersion": f"{EXEC}/{version}", "command": command, "interactiveMode": "Never", **more}
    }


def answer(version: str = "v1", **status: str) -> str:
    """A program that prints this credential."""
    text = json.dumps({"kind": "ExecCredential", "apiVersion": f"{EXEC}/{version}", "status": status})
    return f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n"


# ---- who asks ----


@works
def client_certificate_as_data(at: Cluster) -> Any:
    return config(at, user=certificate(at))


@works
def files_beside_the_kubeconfig(at: Cluster) -> Case:
    user = {"client-certificate": "own/me.crt", "client-key": "own/me.key"}
    cluster = {"certificate-authority": "ca.crt", "certificate-authority-data": None}
    files = {"ca.crt": at.authority, "own/me.crt": at.certificate, "own/me.key": at.key}
    return Case({"config": config(at, user=user, **cluster), **{n: c.decode() for n, c in files.items()}})


@works
def a_token(at: Cluster) -> Any:
    return config(at)


@works
def a_token_in_a_file(at: Cluster) -> Case:
    return Case({"config": config(at, user={"tokenFile": "token"}), "token": f"{at.token}\n"})


@works
def the_file_wins_over_the_token(at: Cluster) -> Case:
    return Case({"config": config(at, user={"tokenFile": "token", "token": "wrong"}), "token": at.token})


@works
def the_token_where_the_file_is_away(at: Cluster) -> Any:
    return config(at, user={"tokenFile": "absent", "token": at.token})


@works
def token_and_certificate(at: Cluster) -> Any:
    return config(at, user={**certificate(at), "token": at.token})


@works
def somebody_else(at: Cluster) -> Any:
    extra = {"reason": ["a", "b"], "example.org/a b": ["ü"]}
    who = {"as": "jane", "as-uid": "7", "as-groups": ["ops", "system:authenticated"], "as-user-extra": extra}
    return config(at, user={**certificate(at), **who})


@refused
def groups_of_nobody(at: Cluster) -> Any:
    return config(at, user={**certificate(at), "as-groups": ["ops"]})


@refused
def wrong_token(at: Cluster) -> Any:
    return config(at, user={"token": "wrong"})


@refused
def a_token_of_two_lines(at: Cluster) -> Any:
    return config(at, user={"token": f"{at.token}\n"})


@refused
def an_empty_token(at: Cluster) -> Any:
    return config(at, user={"token": ""})


@refused
def an_empty_token_file(at: Cluster) -> Case:
    return Case({"config": config(at, user={"tokenFile": "token"}), "token": "\n"})


@refused
def a_missing_token_file(at: Cluster) -> Any:
    return config(at, user={"tokenFile": "token"})


@refused
def token_and_password(at: Cluster) -> Any:
    return config(at, user={"token": at.token, "username": "me", "password": "secret"})


@refused
def a_password_that_the_server_does_not_know(at: Cluster) -> Any:
    return config(at, user={"username": "me", "password": "secret"})


@refused
def certificate_without_key(at: Cluster) -> Any:
    return config(at, user={"client-certificate-data": b64(at.certificate)})


@refused
def certificate_twice(at: Cluster) -> Case:
    user = {**certificate(at), "client-certificate": "me.crt"}
    return Case({"config": config(at, user=user), "me.crt": at.certificate.decode()})


@refused
def the_key_of_another(at: Cluster) -> Any:
    key = as_pem(ec.generate_private_key(ec.SECP256R1()))
    return config(at, user={**certificate(at), "client-key-data": b64(key)})


@refused
def a_key_with_a_password(at: Cluster) -> Any:
    key = as_pem(ec.generate_private_key(ec.SECP256R1()), b"secret")
    return config(at, user={**certificate(at), "client-key-data": b64(key)})


@refused
def a_removed_auth_provider(at: Cluster) -> Any:
    return config(at, user={"auth-provider": {"name": "gcp", "config": {"access-token": at.token}}})


@refused
def nobody_over_https(at: Cluster) -> Any:
    return config(at, user={})


@refused
def a_user_who_is_not_there_over_https(at: Cluster) -> Any:
    return {**config(at), "users": []}


# ---- plugins ----


@works
def plugin_with_a_token(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": answer(token=at.token)})


@works
def plugin_of_the_beta_without_a_mode(at: Cluster) -> Case:
    user = plugin("v1beta1", interactiveMode=None)
    return Case({"config": config(at, user=user), "plugin": answer("v1beta1", token=at.token)})


@works
def plugin_with_a_certificate(at: Cluster) -> Case:
    pair = {"clientCertificateData": at.certificate.decode(), "clientKeyData": at.key.decode()}
    return Case({"config": config(at, user=plugin()), "plugin": answer(**pair)})


@works
def plugin_whose_answer_is_over_at_once(at: Cluster) -> Case:
    text = answer(token=at.token, expirationTimestamp="2020-01-01T00:00:00Z")
    return Case({"config": config(at, user=plugin()), "plugin": text})


@works
def plugin_that_is_told_of_the_cluster(at: Cluster) -> Case:
    user = plugin(args=["one", "two words"], env=[{"name": "EXTRA", "value": "yes"}], provideClusterInfo=True)
    extension = [{"name": f"{EXEC}/exec", "extension": {"audience": "a9"}}]
    checks = [
        '[ "$1/$2/$EXTRA" = "one/two words/yes" ] || exit 3',
        "case $KUBERNETES_EXEC_INFO in *'\"audience\":'*a9*) ;; *) exit 4 ;; esac",
        f"case $KUBERNETES_EXEC_INFO in *'{at.server}'*) ;; *) exit 5 ;; esac",
        f"case $KUBERNETES_EXEC_INFO in *'{b64(at.authority)}'*) ;; *) exit 6 ;; esac",
    ]
    # Python writes a blank after the colon, Go none
    program = answer(token=at.token).replace("#!/bin/sh\n", "\n".join(["#!/bin/sh", *checks, ""]))
    return Case({"config": config(at, user=user, extensions=extension), "plugin": program})


@works
def plugin_beside_a_token(at: Cluster) -> Case:
    return Case({"config": config(at, user={**plugin(), "token": at.token}), "plugin": "#!/bin/sh\nexit 1\n"})


@works
def plugin_that_prints_yaml(at: Cluster) -> Case:
    text = f"kind: ExecCredential\napiVersion: {EXEC}/v1\nstatus:\n  token: {at.token}\n"
    return Case({"config": config(at, user=plugin()), "plugin": f"#!/bin/sh\ncat <<'END'\n{text}END\n"})


@refused
def plugin_without_a_mode(at: Cluster) -> Case:
    user = plugin(interactiveMode=None)
    return Case({"config": config(at, user=user), "plugin": answer(token=at.token)})


@refused
def plugin_of_the_alpha(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin("v1alpha1")), "plugin": answer("v1alpha1", token=at.token)})


@refused
def plugin_that_answers_in_another_version(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": answer("v1beta1", token=at.token)})


@refused
def plugin_that_is_missing(at: Cluster) -> Any:
    return config(at, user=plugin(command="no-such-plugin", installHint="Install it."))


@refused
def plugin_that_fails(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": "#!/bin/sh\necho no >&2\nexit 1\n"})


@refused
def plugin_that_prints_rubbish(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": "#!/bin/sh\necho 'Logged in!'\n"})


@refused
def plugin_that_prints_nothing(at: Cluster) -> Case:
    return Case({"config": config(at, user=plugin()), "plugin": "#!/bin/sh\n"})


@refused
def plugin_with_half_a_certificate(at: Cluster) -> Case:
    text = answer(clientCertificateData=at.certificate.decode())
    return Case({"config": config(at, user=plugin()), "plugin": text})


@refused
def plugin_that_needs_a_terminal(at: Cluster) -> Case:
    user = plugin(interactiveMode="Always")
    return Case({"config": config(at, user=user), "plugin": answer(token=at.token)})


@refused
def plugin_without_command(at: Cluster) -> Any:
    return config(at, user=plugin(command=""))


# ---- which server, and which way to it ----


@works
def unchecked_server(at: Cluster) -> Any:
    return config(at, **{"certificate-authority-data": None, "insecure-skip-tls-verify": True})


@refused
def unchecked_server_with_an_authority(at: Cluster) -> Any:
    return config(at, **{"insecure-skip-tls-verify": True})


@refused
def unknown_authority(at: Cluster) -> Any:
    return config(at, **{"certificate-authority-data": None})


@refused
def authority_that_is_no_certificate(at: Cluster) -> Any:
    return config(at, **{"certificate-authority-data": b64(b"nothing")})


@refused
def authority_twice(at: Cluster) -> Case:
    there = config(at, **{"certificate-authority": "ca.crt"})
    return Case({"config": there, "ca.crt": at.authority.decode()})


@works
def another_server_name(at: Cluster) -> Any:
    return config(at, **{"tls-server-name": "kubernetes.default.svc"})


@refused
def a_wrong_server_name(at: Cluster) -> Any:
    return config(at, **{"tls-server-name": "kubernetes.example"})


@works
def http_proxy(at: Cluster) -> Any:
    return config(at, **{"proxy-url": at.http_proxy})


@works
def http_proxy_with_a_login_and_another_server_name(at: Cluster) -> Any:
    proxy = at.http_proxy.replace("//", "//me:secret@")
    return config(at, **{"proxy-url": proxy, "tls-server-name": "kubernetes"})


@works
def https_proxy(at: Cluster) -> Any:
    # one configuration for both servers: the proxy has to be trusted by the cluster's authority
    there = {"certificate-authority-data": None, "insecure-skip-tls-verify": True}
    return config(at, **{"proxy-url": at.https_proxy, **there})


@works
def socks_proxy(at: Cluster) -> Any:
    return config(at, **{"proxy-url": at.socks_proxy})


@works
def proxy_wins_over_the_variables(at: Cluster) -> Case:
    shell = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_PROXY": "*"}
    return Case({"config": config(at, **{"proxy-url": at.http_proxy})}, environment=shell)


@refused
def dead_proxy(at: Cluster) -> Any:
    return config(at, **{"proxy-url": "http://127.0.0.1:9"})


@refused
def proxy_of_another_scheme(at: Cluster) -> Any:
    return config(at, **{"proxy-url": "ftp://127.0.0.1:9"})


@refused
def proxy_without_scheme(at: Cluster) -> Any:
    return config(at, **{"proxy-url": at.http_proxy.removeprefix("http://")})


@works
def uncompressed(at: Cluster) -> Any:
    return config(at, **{"disable-compression": True})


@works
def kubectl_proxy_and_a_context_without_user(at: Cluster) -> Any:
    contexts = [{"name": "here", "context": {"cluster": "there"}}]
    return {**config(at, server=at.plain), "contexts": contexts, "users": None}


@works
def over_plain_http_the_user_does_not_matter(at: Cluster) -> Any:
    return config(at, server=at.plain, user={"token": "wrong"})


@works
def somebody_else_over_plain_http(at: Cluster) -> Any:
    return config(at, server=at.plain, user={"as": "jane"})


@works
def a_user_who_is_not_there_over_plain_http(at: Cluster) -> Any:
    return {**config(at, server=at.plain), "users": []}


@works
def server_without_scheme(at: Cluster) -> Any:
    return config(at, server=at.plain.removeprefix("http://"))


@works
def server_below_a_path(at: Cluster) -> Any:
    return config(at, server=at.below)


@works
def server_below_a_path_with_slash_and_query(at: Cluster) -> Any:
    return config(at, server=f"{at.below}/?a=b")


@refused
def server_below_a_path_without_scheme(at: Cluster) -> Any:
    return config(at, server=at.below.removeprefix("http://"))


@refused
def server_of_another_scheme(at: Cluster) -> Any:
    return config(at, server=at.server.replace("https", "ftp"))


@refused
def no_server(at: Cluster) -> Any:
    return config(at, server=None)


@refused
def nobody_at_the_server(at: Cluster) -> Any:
    return config(at, server="https://127.0.0.1:9")


# ---- several files ----


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


def write(case: Case, folder: Path) -> None:
    """Write the files; what begins with #! may be run."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o700)
