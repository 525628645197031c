"""What looks like a secret: by its name, or by the shape of its value. No value leaves this module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_SHAPES = {
    "a private key": re.compile(
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----|AGE-SECRET-KEY-1[0-9A-Z]{40,}"
    ),
    "an access key of AWS": re.compile(r"(?<![A-Z0-9])A(?:KIA|SIA)[A-Z2-7]{16}(?![A-Z0-9])"),
    "a token of GitHub or GitLab": re.compile(r"\b(?:gh[pousr]_\w{36,}|github_pat_\w{22,}|glpat-[\w-]{20,})"),
    "a token of Slack": re.compile(r"\bxox[abeoprs]-[\w-]{10,}"),
    "a key of Google": re.compile(r"\bAIza[\w-]{35}"),
    "a key of Stripe": re.compile(r"\b[rs]k_live_\w{16,}"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "a connection string with a password": re.compile(
        r"(?:^|[?&;\s])(?:password|passwd|pwd)=(?![$<{%/*\"'])[^\s&;\"']{3,}", re.IGNORECASE
    ),
    "a URL with a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:(?![$<{%*])[^\s/@'\"]+@"),
    "a password for HTTP": re.compile(
        r"\bauthorization\s*[:=]\s*['\"]?(?:basic|bearer)\s+(?![$<{%])\S{6,}", re.IGNORECASE
    ),
}
_WORDS = {
    *("password", "passwords", "passwd", "passphrase", "pass", "pwd", "secret", "secrets", "token", "tokens"),
    *("credential", "credentials", "apikey", "secretkey", "accesskey", "privatekey"),
    *("requirepass", "masterauth", "masteruserauth"),
}
_PAIRS = {
    (first, second)
    for second, firsts in {
        "key": "api access private secret encryption signing account",
        "pass": "auth",
        "auth": "rediscli",
    }.items()
    for first in firsts.split()
}
# MYSQL_PASSWORD_FILE is a path, TOKEN_TTL a number
_HARMLESS = {
    *("file", "files", "path", "dir", "folder", "mount", "volume", "name", "names", "namespace", "ref", "id"),
    *(
        "user",
        "username",
        "key",
        "keys",
        "url",
        "endpoint",
        "issuer",
        "audience",
        "provider",
        "class",
        "type",
    ),
    *(
        "mode",
        "policy",
        "algorithm",
        "version",
        "count",
        "length",
        "size",
        "ttl",
        "seconds",
        "minutes",
        "expiry",
    ),
    *("lifetime", "rotation", "reuse", "history", "enabled", "required"),
}
# PGPASSWORD is one word
_ENDINGS = ("password", "passwd", "passphrase", "secret", "token")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_NO_SECRET = re.compile(
    r"""["']?(?:true|false|yes|no|on|off|none|null|nil|auto|required|optional|disabled|\d{1,4}"""
    r"""|/[^\s"']*|file:.*|\$.*|<.*|%[({].*|\{\{.*|\*+|x{3,}|\[secret\]|\.{3}|…|)["']?$""",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"""^\s*(?:export\s+)?["']?([A-Za-z][\w.-]*)["']?\s*(?::=|[:=])\s*(\S.*?)\s*[,;]?\s*$"""
)
_FLAG = re.compile(r"(?:^|\s)--?([A-Za-z][\w-]*)(?:=|\s+)(\S+)")
_DIRECTIVE = re.compile(
    r"^\s*(?:requirepass|masterauth|sentinel\s+(?:auth-pass|sentinel-pass)(?:\s+\S+(?=\s+\S))?)\s+(\S+)\s*$",
    re.I,
)
_ACL = re.compile(r"^\s*user\s+\S+\s.*\s>(?![$<{%])(\S+)", re.IGNORECASE)
_COMMENT = ("#", ";", "//")


_PROGRAMS = (
    re.compile(r"\b(?:mysql|mariadb)(?:-?(?:dump|admin|check|import))?\s(?:[^|;&]*\s)?-p(?![$'\"])\S+"),
    re.compile(r"\b(?:redis|valkey|keydb)-cli\s(?:[^|;&]*\s)?-a\s+(?![$'\"<{])\S+"),
    re.compile(r"\bcurl\s(?:[^|;&]*\s)?(?:-u|--user)[\s=]+(?![$'\"<{])[^\s:]+:(?![$<{])\S+"),
    re.compile(r"\bsshpass\s+-p\s*(?![$'\"<{])\S+"),
)


def is_secret_name(name: str) -> bool:
    """Whether what bears this name is a secret: DB_PASSWORD is, DB_PASSWORD_FILE is not."""
    words = [word.lower() for word in _CAMEL.split(name) if word]
    pairs = set(pairwise(words))
    if words and tuple(words[-2:]) in _PAIRS:
        return True
    if not words or words[-1] in _HARMLESS:
        return False
    return words[-1].endswith(_ENDINGS) or bool(_WORDS & set(words)) or bool(_PAIRS & pairs)


def is_literal(value: str) -> bool:
    """Whether a value is a text of its own, and neither a path, a switch nor a place for something else."""
    return not _NO_SECRET.match(value.strip())


def shape(value: str) -> str:
    """What a text holds, by its shape alone, such as `a private key`; empty if nothing is recognised."""
    return next((name for name, pattern in _SHAPES.items() if pattern.search(value)), "")


def kinds_in(content: str) -> Iterator[tuple[int, str]]:
    """What a file or a script holds: the numbers of its lines from 1 on, and what is in them."""
    for number, line in enumerate(content.splitlines(), 1):
        if line.lstrip().startswith(_COMMENT):
            continue
        if found := shape(line):
            yield number, found
        elif _DIRECTIVE.match(line) and is_literal(line.split()[-1]):
            yield number, "a password"
        elif _ACL.match(line):
            yield number, "the password of a user"
        elif (assigned := _ASSIGNED.match(line)) and _given(*assigned.groups()):
            yield number, f"a value for {assigned.group(1)}"
        else:
            for flag in _FLAG.finditer(line):
                if _given(*flag.groups()):
                    yield number, f"a value for --{flag.group(1)}"


def given_to_program(command: str) -> bool:
    """Whether a command line hands a password to a program that takes it in a short option."""
    return any(pattern.search(command) for pattern in _PROGRAMS)


def _given(name: str, value: str) -> bool:
    return is_secret_name(name) and is_literal(value)
