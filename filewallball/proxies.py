"""Which HTTP proxy leads to an address, by the variables of the shell.

Our own addresses are never asked through one: this machine, its sandboxes, and what is inside the cluster.
For all others HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY count, in capital or small letters, read as
kubectl and Go read them (golang.org/x/net/http/httpproxy); ALL_PROXY as curl does.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from filewallball import paths
from filewallball.errors import ConfigError

SCHEMES = ("http", "https", "socks5", "socks5h")
_IN_CLUSTER = re.compile(r"\.svc(\.cluster\.local)?\.?$")
_WITH_PORT = re.compile(r"^[^:]+:\d+$|\]:\d+$")
_PORTS = {"http": "80", "https": "443"}
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_for(url: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The URL of the proxy for `url`, None for a direct way. Raises ConfigError for one that is no URL."""
    shell = os.environ if environment is None else environment
    target = urlsplit(url)
    host = (target.hostname or "").lower()
    name, proxy = _variable(shell, f"{target.scheme}_proxy", "all_proxy")
    if not proxy or is_own(host, shell):
        return None
    if _excepted(_variable(shell, "no_proxy")[1], host, str(target.port or _PORTS.get(target.scheme, ""))):
        return None
    return _as_url(name, proxy)


def is_own(host: str, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a host is this machine, one of its sandboxes, or inside the cluster that this pod runs in."""
    shell = os.environ if environment is None else environment
    if host == "localhost" or _IN_CLUSTER.search(host) or host == shell.get("KUBERNETES_SERVICE_HOST"):
        return True
    address = _address(host)
    if address is None:
        return False
    return address.is_loopback or any(address in subnet for subnet in _sandboxes())


def environment() -> dict[str, str]:
    """This process's variables for a program that may have to reach a sandbox: NO_PROXY names those, too."""
    shell = dict(os.environ)
    own = ",".join(str(subnet) for subnet in _sandboxes())
    if own and any(_variable(shell, name)[1] for name in ("https_proxy", "http_proxy", "all_proxy")):
        before = _variable(shell, "no_proxy")[1]
        shell["no_proxy"] = shell["NO_PROXY"] = f"{before},{own}" if before else own
    return shell


def _variable(shell: Mapping[str, str], *names: str) -> tuple[str, str]:
    """The first variable that is set, and its value; the small letters come first, as with Go and curl."""
    for name in names:
        for spelt in (name, name.upper()):
            if value := shell.get(spelt, "").strip():
                return spelt, value
    return "", ""


def _as_url(name: str, proxy: str) -> str:
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        good = parts.scheme in SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError(
            f"The variable {name} is not the URL of a proxy",
            f"Write it as http://HOST:PORT ({', '.join(SCHEMES)} are known), or unset it.",
        )
    return url


def _excepted(no_proxy: str, host: str, port: str) -> bool:
    """Whether NO_PROXY names the host: `*`, an address, a network, a domain, each with a port or without."""
    address = _address(host)
    for entry in (each.strip().lower() for each in no_proxy.split(",")):
        if entry == "*":
            return True
        if address and _in_network(address, entry):
            return True
        name, _, wanted = entry.rpartition(":") if _WITH_PORT.search(entry) else (entry, "", "")
        if not name or (wanted and wanted != port):
            continue
        if _matches(name.strip("[]"), host, address):
            return True
    return False


def _matches(name: str, host: str, address: _Address | None) -> bool:
    if address:
        return _address(name) == address
    domain = name.removeprefix("*")
    # a leading dot, and only that, leaves out the domain itself
    return host.endswith(domain) if domain.startswith(".") else host == domain or host.endswith(f".{domain}")


def _in_network(address: _Address, entry: str) -> bool:
    if "/" not in entry:
        return False
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _address(host: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _sandboxes() -> list[ipaddress.IPv4Network]:
    """The subnets of the sandboxes on this machine, as far as this user may read of them."""
    found: list[ipaddress.IPv4Network] = []
    with contextlib.suppress(OSError):
        for file in sorted((paths.state_dir() / "sandbox").glob("*/network.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found += [ipaddress.IPv4Network(json.loads(file.read_text(encoding="utf-8"))["subnet"])]
    return found
