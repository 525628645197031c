"""Which cluster is meant, and who asks: a kubeconfig's path or content, KUBECONFIG, or the pod we run in.

The rules are kubectl's: client-go, tools/clientcmd/loader.go, client_config.go and validation.go.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from filewallball.errors import ConfigError
from filewallball.kube.fields import Cluster, Exec, Kubeconfig, User, parse

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
PROXY_SCHEMES = ("http", "https", "socks5")
MODES = ("Never", "IfAvailable", "Always")


@dataclass(frozen=True)
class Access:
    """One context, found to be usable. `server` is a URL; over plain http nobody is identified."""

    context: str
    server: str
    cluster: Cluster
    user: User
    namespace: str = "default"

    @property
    def encrypted(self) -> bool:
        return self.server.startswith("https:")


def load(kubeconfig: str | Path | None, context: str | None) -> Access:
    """Find server and credentials. Raises ConfigError that names the file and what is wrong in it."""
    if isinstance(kubeconfig, str) and ("\n" in kubeconfig or kubeconfig.lstrip().startswith("{")):
        where = "the given kubeconfig"
        return _select(parse(kubeconfig.encode(), where, Path.cwd()), context, where)
    if kubeconfig:
        path = Path(kubeconfig).expanduser()
        if (found := _read(path)) is None:
            raise ConfigError(
                f"The kubeconfig {path} does not exist",
                "Start its cluster (`fwb sandbox up` for a sandbox), or correct the path.",
            )
        return _select(found, context, str(path))
    return _from_environment(context)


def _from_environment(context: str | None) -> Access:
    # of a name that stands there twice, the second reading could change nothing
    listed = dict.fromkeys(name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name)
    paths = [Path(name) for name in listed] if os.environ.get("KUBECONFIG") else [Path("~/.kube/config")]
    merged, read = Kubeconfig(), list[str]()
    for path in paths:
        if found := _read(path.expanduser() if not listed else path):
            merged.merge(found)
            read.append(str(path))
    nothing = not (merged.current or context) and not merged.clusters.get("")
    if nothing and (SERVICE_ACCOUNT / "token").is_file() and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _service_account()
    if not read:
        raise ConfigError(
            "No cluster is configured: "
            + (
                f"no file of KUBECONFIG ({os.pathsep.join(listed)}) exists"
                if listed
                else "KUBECONFIG names no file and ~/.kube/config does not exist"
            ),
            "Give a kubeconfig, or start a sandbox with `fwb sandbox up`.",
        )
    return _select(merged, context, os.pathsep.join(read))


def _read(path: Path) -> Kubeconfig | None:
    """A file's content, None where there is no such file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"The kubeconfig {path} cannot be read: {why}", "Correct the path, or the rights of the file."
        ) from None
    return parse(content, str(path), Path(os.path.abspath(path)).parent)  # noqa: PTH100 - links stay


def _service_account() -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    authority = SERVICE_ACCOUNT / "ca.crt"
    try:
        namespace = (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        namespace = ""
    return Access(
        "default",
        f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        Cluster(authority=str(authority) if authority.is_file() else ""),
        User(token_file=str(SERVICE_ACCOUNT / "token")),
        namespace or "default",
    )


def _select(config: Kubeconfig, name: str | None, where: str) -> Access:
    name = name or config.current
    known = ", ".join(sorted(config.contexts)) or "none"
    if not name:
        raise ConfigError(f"{where} has no current context", f"Name one of: {known}.")
    context = config.contexts.get(name)
    if context is None:
        raise ConfigError(f"{where} has no context {name!r}", f"Name one of: {known}.")
    cluster = config.clusters.get(context.cluster)
    if cluster is None:
        raise ConfigError(
            f"context {name!r} of {where} names the cluster {context.cluster!r}, which isn't there",
            f"Name one of: {', '.join(sorted(config.clusters)) or 'none'}.",
        )
    _check_cluster(cluster, f"cluster {context.cluster!r} of {where}")
    server = _server(cluster.server, f"cluster {context.cluster!r} of {where}")
    # as with kubectl, a user that isn't there is one without credentials
    user = config.users.get(context.user, User())
    whose = f"user {context.user!r} of {where}" if context.user else f"context {name!r} of {where}"
    _check_user(user, whose)
    if server.startswith("https:"):
        _check_login(user, whose)
    return Access(name, server, cluster, user, context.namespace or "default")


def _server(given: str, where: str) -> str:
    def wrong(why: str) -> ConfigError:
        return ConfigError(f"{where}: server {given!r} {why}", "Write it as https://HOST:PORT.")

    if not given:
        raise ConfigError(f"{where} has no server", "Write its address as server: https://HOST:PORT.")
    bare = "://" not in given
    try:
        url = urlsplit(f"http://{given}" if bare else given)
        host, _ = url.hostname, url.port
    except ValueError as error:
        raise wrong(f"is not a URL: {error}") from None
    if url.scheme not in ("http", "https"):
        raise wrong("begins with neither https:// nor http://")
    if not host or any(letter.isspace() for letter in given):
        raise wrong("names no host")
    if url.username is not None:
        raise wrong("holds a user name, which belongs to the user's username and password")
    if bare and url.path not in ("", "/"):
        raise wrong("has a path but no https:// before it")
    return SplitResult(url.scheme, url.netloc, url.path, "", "").geturl()


def _check_cluster(cluster: Cluster, where: str) -> None:
    if cluster.proxy_url:
        try:
            url = urlsplit(cluster.proxy_url)
            good, _ = url.scheme in PROXY_SCHEMES and url.hostname, url.port
        except ValueError:
            good = None
        if not good:
            raise ConfigError(
                f"{where}: proxy-url is not the URL of a proxy",
                f"Write SCHEME://HOST:PORT, with one of the schemes {', '.join(PROXY_SCHEMES)}.",
            )
    _either(cluster.authority, cluster.authority_data, "certificate-authority", where)
    _readable(cluster.authority, "certificate-authority", where)
    if cluster.insecure and (cluster.authority or cluster.authority_data):
        raise ConfigError(
            f"{where}: insecure-skip-tls-verify is true, and a certificate-authority is given as well",
            "Keep only the certificate-authority.",
        )


def _check_user(user: User, where: str) -> None:
    """What kubectl refuses whatever the server."""
    if user.certificate or user.certificate_data:
        _either(user.certificate, user.certificate_data, "client-certificate", where)
        _either(user.key, user.key_data, "client-key", where)
        if not (user.key or user.key_data):
            raise ConfigError(
                f"{where} has a client-certificate without its key", "Add client-key or client-key-data."
            )
        _readable(user.certificate, "client-certificate", where)
        _readable(user.key, "client-key", where)
    if user.token and (user.username or user.password):
        raise ConfigError(f"{where} has a token and a username with password", "Keep one of the two.")
    if not user.impersonate and (user.impersonate_uid or user.impersonate_groups or user.impersonate_extra):
        raise ConfigError(
            f"{where} has as-uid, as-groups or as-user-extra, but no `as`", "Name a user with `as`."
        )
    if user.exec:
        _check_exec(user.exec, where)


def _check_exec(plugin: Exec, where: str) -> None:
    if not plugin.command:
        raise ConfigError(
            f"{where}: exec has no command", "Write there the program that gets the credentials."
        )
    if plugin.api_version not in EXEC_VERSIONS:
        raise ConfigError(
            f"{where}: exec has the apiVersion {plugin.api_version!r}, which kubectl doesn't know, or knows "
            "no longer",
            f"Write one of {', '.join(EXEC_VERSIONS)}. You may need a newer release of {plugin.command}.",
        )
    if any(not name for name, _ in plugin.environment):
        raise ConfigError(f"{where}: exec has a variable without name in env", "Write its name.")
    if plugin.interactive_mode not in MODES:
        given = f"is {plugin.interactive_mode!r}" if plugin.interactive_mode else "must be set"
        raise ConfigError(f"{where}: exec: interactiveMode {given}", f"Write one of {', '.join(MODES)}.")


def _check_login(user: User, where: str) -> None:
    """What kubectl needs where it identifies itself: over https."""
    if user.auth_provider is not None:
        raise ConfigError(
            f"{where} has the auth-provider {user.auth_provider!r}; Kubernetes knows none any more",
            "Use an exec plugin in its place, as your cluster's provider describes.",
        )
    if user.token_file and (user.username or user.password):
        raise ConfigError(f"{where} has a tokenFile and a username with password", "Keep one of the two.")
    if user.token_file and not user.token:  # beside a token, a file may come later
        _readable(user.token_file, "tokenFile", where)
        if not Path(user.token_file).read_bytes().strip():
            raise ConfigError(f"{where}: the tokenFile {user.token_file} is empty", "Get a new token.")
    known = user.token or user.token_file or user.username or user.certificate or user.certificate_data
    if not known and not user.exec:
        raise ConfigError(
            f"{where} has no credentials",
            "Add a token, a client-certificate or an exec plugin.",
        )


def _either(path: str, data: bytes, key: str, where: str) -> None:
    if path and data:
        raise ConfigError(f"{where} has both {key} and {key}-data", "Keep one of the two.")


def _readable(path: str, key: str, where: str) -> None:
    if not path:
        return
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{where}: {key} {path} cannot be read: {why}", "Correct the path, or the rights of the file."
        ) from None
