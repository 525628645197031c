"""Why a server can't be reached, as far as the error's text tells."""

from __future__ import annotations

from filewallball.checks.result import CheckFailed

_NO_NAME = ("name or service not known", "name resolution", "nodename nor servname", "no address associated")
_NO_WAY = ("no route to host", "network is unreachable", "timed out", "timeout")


def unreachable(seen: str, what: str, namespace: str, workload: str) -> CheckFailed:
    """The failure of a check that got no answer from `what`, which `workload` (kind/name) runs."""
    text = seen.lower()
    if any(sign in text for sign in _NO_NAME):
        hint = (
            "No DNS server has answered, or none knows the name. Look at `kubectl get pods -A -l "
            f"k8s-app=kube-dns` and `kubectl -n {namespace} get services`. If the cluster's DNS runs in "
            "another namespace, on another port or as a cache on the node, set filewallball:cluster.dns, and "
            "run `fwb up`."
        )
    elif any(sign in text for sign in _NO_WAY):
        hint = (
            f"Look at `kubectl -n {namespace} get networkpolicies`, which must let the checks in, and at "
            f"`kubectl -n {namespace} get endpointslices`, which must list {_pod(workload)}."
        )
    else:
        hint = (
            f"Look at `kubectl -n {namespace} get pods`, which shows whether it runs, and at `kubectl -n "
            f"{namespace} logs {workload}`, which says why not."
        )
    return CheckFailed(seen, f"{what} answers", hint)


def _pod(workload: str) -> str:
    return workload if workload.startswith("pod/") else f"the pod of {workload}"
