"""The kinds of value that settings are made of: each checks itself and says what to write instead.

Pure: no Pulumi, no cluster. A validator raises ValueError with text of the form "why; write …".
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator

from components import schedule
from facts import units

_CPU = re.compile(r"\d{1,9}m|\d{1,6}(\.\d{1,3})?", re.ASCII)
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!.*(\.\.|\.-|-\.))[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]")
_IMAGE = re.compile(
    r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?P<tag>:[\w][\w.-]{0,127})?"
    r"(?P<digest>@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_VERSION = re.compile(r"v?(\d{1,2}(?:\.\d+)*)(?=$|[-_+])", re.ASCII)
_PRODUCTS = {
    "dragonfly", "keydb", "mariadb", "memcached", "minio", "mongo", "mysql", "nginx", "percona", "postgres",
    "redis", "valkey", "versitygw",
}  # fmt: skip
MOST_BYTES = 2**60
"""The largest size that a setting may have, in bytes: 1 EiB."""
_CRON_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 6),
)
_CRON_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}


class ImageCheck(AfterValidator):
    """Checks the reference of an image, and tells that a setting is one."""


def quantity_bytes(text: str) -> int:
    """The bytes that a Kubernetes quantity such as `512Mi` or `1.5G` means. Raises ValueError."""
    size = units.quantity_bytes(text)
    if size is None:
        raise ValueError("not a quantity of bytes; write a number with Mi, Gi or Ti, such as 512Mi or 10Gi")
    return size


def redis_bytes(text: str) -> int:
    """The bytes that a Redis memory size such as `256mb` means. Raises ValueError."""
    size = units.memory_bytes(text)
    if size is None:
        raise ValueError(
            "not a memory size as Redis writes it; write a whole number with mb or gb, such as 256mb"
        )
    return size


def image_is_pinned(reference: str) -> bool:
    """Whether the reference names its content by digest, so that it can't change under the same name."""
    match = _IMAGE.fullmatch(reference)
    return bool(match and match["digest"])


def _quantity(text: str) -> str:
    size = quantity_bytes(text)
    if size <= 0:
        raise ValueError("nothing fits in it; write more than 0, such as 1Gi")
    if size < 2**20:
        raise ValueError(f"only {_counted(size)}; write the unit as well, such as 512Mi or 10Gi")
    if size > MOST_BYTES:
        raise ValueError("more than any machine has; write a size such as 512Mi or 10Gi")
    return text


def _counted(size: int) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"


def _redis_memory(text: str) -> str:
    size = redis_bytes(text)
    if size < 2**20:
        raise ValueError(
            "less than 1mb, where 0 would mean no limit at all; write 1mb or more, such as 256mb"
        )
    if size > MOST_BYTES:
        raise ValueError("more than any machine has; write a size such as 256mb")
    return text


def _cpu(text: str) -> str:
    if not _CPU.fullmatch(text) or float(text.rstrip("m")) == 0:
        raise ValueError("not an amount of CPU; write cores such as 1 or 0.5, or thousandths such as 250m")
    return text


def _image(text: str) -> str:
    match = _IMAGE.fullmatch(text)
    if not match or not (match["tag"] or match["digest"]):
        raise ValueError("not an image with a version; write registry/name:tag or registry/name:tag@sha256:…")
    if match["tag"] == ":latest" and not match["digest"]:
        raise ValueError("the tag latest changes without notice; write the version that you mean")
    return text


def image_of(server: str, product: str, series: str, example: str, short: str = "") -> ImageCheck:
    """Takes images of one server in one series alone: another one's configuration and data don't fit.

    `series`: pattern of its versions. `short`: a tag that means the newest of the series, such as 7 for 7.4.
    """

    def check(text: str) -> str:
        found = _IMAGE.fullmatch(_image(text))
        tag = ((found and found["tag"]) or "").removeprefix(":")
        path = text.partition("@")[0].removesuffix(f":{tag}")
        name = path.rpartition("/")[2]
        if name != product and name in _PRODUCTS:
            raise ValueError(
                f"an image of {name}, where {server} is meant; write such as {product}:{example}"
            )
        version = _VERSION.match(tag)
        if version and version[1] != short and not re.match(rf"(?:{series})(?!\d)", version[1]):
            raise ValueError(
                f"another version than {server} {example}, for which configuration, users and data are made;"
                f" write a tag such as {example}"
            )
        if not version and tag and _is_official(path, product):
            raise ValueError(
                f"the tag {tag} names no version and changes without notice; write a tag such as {example}"
            )
        return text

    return ImageCheck(check)


def _is_official(path: str, product: str) -> bool:
    """Whether the repository is the product's own, whose tags without a version are known to move."""
    parts = [part for part in path.split("/") if part not in ("docker.io", "library")]
    return parts in ([product], [product, product])


def _time_zone(text: str) -> str:
    if text.startswith(("posix/", "right/")) or text in ("localtime", "posixrules", "Factory", "Local"):
        raise ValueError("means another time on each machine; write a name such as Asia/Seoul or Etc/UTC")
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            "no such time zone; write a name of the IANA list, such as Asia/Seoul or Etc/UTC"
        ) from None
    return text


def _cron(text: str) -> str:
    if "TZ=" in text:
        raise ValueError("a schedule names no time zone here; write such as '0 2 * * *' and set timeZone")
    if text.startswith("@") and text not in schedule.MACROS:
        raise ValueError(f"no name of a schedule; write such as '0 2 * * *', or {', '.join(schedule.MACROS)}")
    fields = schedule.fields_of(text)
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(f"a schedule has 5 fields, this has {len(fields)}; write such as '0 2 * * *'")
    for field, (name, low, high) in zip(fields, _CRON_FIELDS, strict=True):
        for part in field.split(","):
            if not _cron_part(part, name, low, high):
                raise ValueError(
                    f"{part!r} is no {name}; write *, {low} to {high}, a range such as {low}-{high}, or */2"
                )
    if schedule.never_runs(text):
        raise ValueError("no month has such a day, so it never runs; write a day that exists, such as 28")
    return text


def _is_number(text: str) -> bool:
    """Whether it is a whole number of 0 or more, written as computers write it: ٣ is a digit as well."""
    return text.isascii() and text.isdecimal() and len(text) < 10


def _cron_part(part: str, name: str, low: int, high: int) -> bool:
    body, slash, step = part.partition("/")
    if slash and (not _is_number(step) or int(step) == 0):
        return False
    if body == "*" or (part == "?" and name.startswith("day")):
        return True
    names = _CRON_NAMES.get(name, [])
    first = 1 if name == "month" else 0
    ends = [str(names.index(end.lower()) + first) if end.lower() in names else end for end in body.split("-")]
    if len(ends) > 2 or not all(_is_number(end) and low <= int(end) <= high for end in ends):
        return False
    return int(ends[0]) <= int(ends[-1])


def _pattern(regex: re.Pattern[str], why: str) -> AfterValidator:
    def check(text: str) -> str:
        if not regex.fullmatch(text):
            raise ValueError(why)
        return text

    return AfterValidator(check)


Quantity = Annotated[str, AfterValidator(_quantity)]
RedisMemory = Annotated[str, AfterValidator(_redis_memory)]
Cpu = Annotated[str, AfterValidator(_cpu)]
Image = Annotated[str, ImageCheck(_image)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Cron = Annotated[str, AfterValidator(_cron)]
DnsLabel = Annotated[
    str,
    _pattern(
        _DNS_LABEL,
        "not a name for Kubernetes; write up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
    ),
]
Namespace = Annotated[
    DnsLabel,
    _pattern(
        re.compile(r"(?!(default|kube-.*)$).+"),
        "belongs to Kubernetes itself; write a namespace of the stack's own, such as filewallball",
    ),
]
_ANNOTATION = re.compile(
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
Annotations = dict[
    Annotated[
        str,
        _pattern(
            _ANNOTATION, "not an annotation's name; write such as eks.amazonaws.com/role-arn: its value"
        ),
    ],
    str,
]


def _cidr(text: str) -> str:
    try:
        return str(ip_network(text, strict=True))
    except ValueError:
        raise ValueError(
            "not a block of addresses; write such as 169.254.20.10/32, with no bit set behind the length"
        ) from None


Cidr = Annotated[str, AfterValidator(_cidr)]


def _port(given: object) -> object:
    if isinstance(given, bool) or not _is_number(str(given)) or not 1 <= int(str(given)) <= 65535:
        raise ValueError("not a port; write a number from 1 to 65535")
    return given


Port = Annotated[int, BeforeValidator(_port)]
Region = Annotated[
    str,
    _pattern(
        re.compile(r"(?!\d+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"),
        "not a region's name; write letters, digits and -, such as eu-central-1",
    ),
]
DnsName = Annotated[
    str,
    _pattern(
        _DNS_NAME, "not a name for Kubernetes; write a-z, 0-9, - and ., with a letter or digit at both ends"
    ),
]
DataKey = Annotated[
    str,
    _pattern(
        re.compile(r"[-\w.]{1,253}", re.ASCII),
        "not a key of a Secret or ConfigMap; write letters, digits, -, _ and ., such as ca.crt",
    ),
]
Bucket = Annotated[
    str,
    _pattern(
        _BUCKET,
        "not a bucket's name; write 3 to 63 of a-z, 0-9, - and ., with a letter or digit at both ends",
    ),
]
Prefix = Annotated[
    str,
    _pattern(
        re.compile(r"|(?=.{1,512}$)((?!\.{1,2}/)[\w.-]+/)+", re.ASCII),
        "not a key prefix; write nothing, or names that each end in /, such as dev/ or team/dev/, in 512"
        " characters or less",
    ),
]
AbsolutePath = Annotated[
    str,
    _pattern(
        re.compile(
            r"(?!/(bin|boot|dev|etc|lib|lib64|proc|root|run|sbin|sys|usr)(/|$))"
            r"(/(?!\.{1,2}(/|$))[^\x00-\x1f\x7f/]{1,255})+"
        ),
        "not an absolute path of a folder for data; write one that starts with /, such as /srv/mariadb",
    ),
]
Endpoint = Annotated[
    str,
    _pattern(
        re.compile(
            r"https?://[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
            r"(:([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]))?(/[\w.~-]+)*/?",
            re.ASCII,
        ),
        "not a URL of a server; write such as https://s3.example.org, with no user and no bucket in it",
    ),
]
