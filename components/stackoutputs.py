"""What a stack says about itself when it is up: where things are and how to reach them. No secret values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import mariadb, pods, redis, store

if TYPE_CHECKING:
    import settings


def outputs(stack: settings.Settings, toolkit: str) -> dict[str, Any]:
    """The stack's outputs, as plain data."""
    kubectl = "kubectl"
    if config := stack.cluster.kubeconfig_path():
        if stack.cluster.sandbox:
            kubectl = str(Path(config).with_name("kubectl"))  # the sandbox's own stands beside its kubeconfig
        kubectl += f" --kubeconfig {config}"
    if stack.cluster.context:
        kubectl += f" --context {stack.cluster.context}"
    kubectl += f" -n {stack.namespace}"
    hosts = {
        "mariadb": f"{mariadb.NAME}.{stack.namespace}.svc:{mariadb.PORT}",
        "redis": f"{redis.NAME}.{stack.namespace}.svc:{redis.PORT}",
    }
    versions = {"mariadb": stack.mariadb.image, "redis": stack.redis.image, "toolkit": toolkit}
    if stack.backup.store.in_cluster:
        hosts["store"] = f"{store.NAME}.{stack.namespace}.svc:{store.PORT}"
        versions["store"] = stack.backup.store.image
    return {
        "namespace": stack.namespace,
        "hosts": hosts,
        "users": {"mariadb": "filewallball_app", "redis": "app"},
        "passwords": {
            "mariadb": _password(kubectl, mariadb.CREDENTIALS),
            "redis": _password(kubectl, redis.CREDENTIALS),
        },
        "connect": {
            "mariadb": f"{kubectl} exec -it mariadb-0 -- mariadb --defaults-file={pods.CONFIG_PATH}/my.cnf"
            f" --user=mysql {mariadb.DATABASE}",
            "redis": f"{kubectl} exec -it deploy/redis -- redis-cli --user app --askpass",
        },
        "versions": versions,
    }


def _password(kubectl: str, secret: str) -> str:
    """The command that prints the application's password."""
    return (
        f"{kubectl} get secret {secret} -o go-template='{{{{index .data \"app-password\" | base64decode}}}}'"
    )
