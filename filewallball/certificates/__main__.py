"""The command of the Jobs and of the CronJob: `python3 -m filewallball.certificates renew`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from facts import tls
from facts.tls import Variables
from filewallball.errors import ConfigError, UserError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
RESOLVER = Path("/etc/resolv.conf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: all certificates are good; 1: something failed; 2: wrong usage or environment."""
    parser = argparse.ArgumentParser(prog="python3 -m filewallball.certificates", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("renew", help="make the certificates that are missing, wrong or near their end")
    parser.parse_args(arguments)
    try:
        return _renew(os.environ)
    except UserError as error:
        print(f"certificates: FAILED {error}", file=sys.stderr, flush=True)
        return error.exit_code


def _renew(environment: Mapping[str, str]) -> int:
    from filewallball.certificates.cluster import Keeper
    from filewallball.certificates.issued import IssuedKeeper
    from filewallball.kube import Kube
    from filewallball.network import wait_admitted

    wanted = wanted_in(environment)
    namespace = _namespace()
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if host and port and port.isdigit():
        wait_admitted([(host, int(port))])
    with Kube.connect() as kube:
        domain = domain_in(_text(RESOLVER), namespace)
        issuer = issuer_in(environment)
        keeper = (
            IssuedKeeper(kube, namespace, domain, _say, issuer)
            if issuer
            else Keeper(kube, namespace, domain, _say)
        )
        keeper.renew(wanted, datetime.now(UTC))
    _say(f"certificates: OK ({', '.join(each.name for each in wanted)})")
    return 0


def wanted_in(environment: Mapping[str, str]) -> tuple[tls.Server, ...]:
    """The certificates that the environment names. Raises ConfigError."""
    try:
        found = tls.read(environment.get(Variables.SERVERS, ""))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{Variables.SERVERS} doesn't say which certificates to make: {error}",
            "Run `fwb up` on the stack, which writes it.",
        ) from error
    return found


def issuer_in(environment: Mapping[str, str]) -> tls.Issuer | None:
    """Who signs, if not the stack's own authority. Raises ConfigError."""
    text = environment.get(Variables.ISSUER)
    try:
        return tls.Issuer.read(text) if text else None
    except ValueError as error:
        raise ConfigError(
            f"{Variables.ISSUER}: {error}", "Run `fwb up` on the stack, which writes it."
        ) from error


def domain_in(resolver: str, namespace: str) -> str | None:
    """The cluster's domain, from the text of a pod's resolv.conf; None where it names none."""
    for line in resolver.splitlines():
        words = line.split()
        for word in words[1:] if words[:1] == ["search"] else []:
            if word.startswith(f"{namespace}.svc."):
                return word.removeprefix(f"{namespace}.svc.").rstrip(".")
    return None


def _namespace() -> str:
    if found := _text(ACCOUNT / "namespace").strip():
        return found
    raise ConfigError(
        "This is no pod with an account of a cluster.", "Run it as the Job that `fwb up` makes."
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
