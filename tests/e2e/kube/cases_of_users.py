"""Kubeconfigs by how their user identifies himself."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from kubeconfig_cases import Case, Cluster, b64, certificate, config, refused, works
from loopback import as_pem


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
