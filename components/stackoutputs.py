"""What a stack says about itself when it is up: where things are and how to reach them. No secret values."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facts import mariadb, redis, store, valkey
from facts.pods import CONFIG_PATH, password_key

if TYPE_CHECKING:
    import settings


def outputs(stack: settings.Settings, toolkit: str) -> dict[str, Any]:
    """The stack's outputs, as plain data."""
    kubectl = "kubectl"
    if config := stack.cluster.kubeconfig_path():
        if stack.cluster.sandbox:
            kubectl = str(Path(config).with_name("kubectl"))  # the sandbox's own stands beside its kubeconfig
        kubectl = f"{shlex.quote(kubectl)} --kubeconfig {shlex.quote(config)}"
    if stack.cluster.context:
        kubectl += f" --context {shlex.quote(stack.cluster.context)}"
    kubectl += f" -n {stack.namespace}"

    def host(server: str, port: int) -> str:
        return f"{server}.{stack.namespace}.svc:{port}"

    hosts: dict[str, str | list[str]] = {
        "mariadb": host(mariadb.NAME, mariadb.PORT),
        "redis": host(redis.NAME, redis.PORT),
        "valkey-sentinel": [
            host(pod, valkey.SENTINEL_PORT) for pod in valkey.pods_of(valkey.SENTINEL, stack.valkey.sentinels)
        ],
    }
    versions = {
        "mariadb": stack.mariadb.image,
        "redis": stack.redis.image,
        "valkey": stack.valkey.image,
        "toolkit": toolkit,
    }
    if stack.valkey.reads_from_replicas:
        hosts[valkey.READS] = host(valkey.READS, valkey.PORT)
    if stack.backup.store.in_cluster:
        hosts["store"] = host(store.NAME, store.PORT)
        versions["store"] = stack.backup.store.image
    return {
        "namespace": stack.namespace,
        "hosts": hosts,
        "masters": {"valkey": valkey.MASTER},  # what a client asks the Sentinels for
        "users": {"mariadb": mariadb.user("app"), "redis": "app", "valkey": "default"},
        "passwords": {
            "mariadb": _password(kubectl, mariadb.CREDENTIALS),
            "redis": _password(kubectl, redis.CREDENTIALS),
            "valkey": _password(kubectl, valkey.CREDENTIALS),
            "valkey-sentinel": _password(kubectl, valkey.CREDENTIALS, password_key("sentinel")),
        },
        "connect": {
            "mariadb": f"{kubectl} exec -it mariadb-0 -- mariadb --defaults-file={CONFIG_PATH}/my.cnf"
            f" --user=mysql {mariadb.DATABASE}",
            "redis": f"{kubectl} exec -it deploy/redis -- redis-cli --user app --askpass",
            "valkey": f"{kubectl} exec -it valkey-0 -c valkey -- valkey-cli --askpass",
            "valkey-sentinel": f"{kubectl} exec -it valkey-sentinel-0 -- valkey-cli -p {valkey.SENTINEL_PORT}"
            " --askpass",
        },
        "versions": versions,
    }


def _password(kubectl: str, secret: str, key: str = password_key("app")) -> str:
    """The command that prints the application's password."""
    return f"{kubectl} get secret {secret} -o go-template='{{{{index .data \"{key}\" | base64decode}}}}'"
