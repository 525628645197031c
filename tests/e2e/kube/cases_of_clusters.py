"""Kubeconfigs by their cluster: which server, by which way, trusted how."""

from __future__ import annotations

from typing import Any

from kubeconfig_cases import Case, Cluster, b64, config, refused, works


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
