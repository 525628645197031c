"""How clients reach servers that take only encrypted connections: whom they trust, and in which words.

A server is known by the name or address that the client connects to, and by the stack's own authority. Each
function takes the file with the authority's certificate; None: connections are plain.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any


def redis_options(ca_file: str | None) -> dict[str, Any]:
    """What redis-py's clients take. The file is read for each connection, so a renewed one counts at once."""
    return {"ssl": True, "ssl_ca_certs": ca_file, "ssl_check_hostname": True} if ca_file else {}


def mariadb_options(ca_file: str | None) -> dict[str, Any]:
    """What PyMySQL's `connect` takes. Raises OSError where the file can't be read."""
    return {"ssl": context(ca_file)} if ca_file else {}


def mariadb_words(ca_file: str | None) -> list[str]:
    """What MariaDB's own programs take."""
    return [f"--ssl-ca={ca_file}", "--ssl-verify-server-cert"] if ca_file else []


def context(ca_file: str) -> ssl.SSLContext:
    """TLS 1.2 or newer; trusts this authority alone. Raises OSError where the file can't be read."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(ca_file)
    return made


def wrapped(connection: socket.socket, ca_file: str | None, host: str) -> socket.socket:
    """The connection, encrypted if there is an authority. Raises OSError; the connection is closed then."""
    if not ca_file:
        return connection
    try:
        return context(ca_file).wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise
