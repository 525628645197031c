"""The server knows time zones by their names, with their summer times and their history."""

from __future__ import annotations

from facts.checks.mariadb import MariadbTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, CheckSkipped
from filewallball.checks.suites.mariadb_session import connected, query
from filewallball.kube import Kube, KubeError

ZONE = "Asia/Seoul"
KNOWN = (
    ("2024-01-01 00:00:00", ZONE, "2024-01-01 09:00:00"),
    ("1988-07-01 00:00:00", ZONE, "1988-07-01 10:00:00"),  # Seoul had summer time then
    ("2024-01-15 12:00:00", "America/New_York", "2024-01-15 07:00:00"),
    ("2024-07-15 12:00:00", "America/New_York", "2024-07-15 08:00:00"),
    ("2024-03-31 00:59:59", "Europe/Berlin", "2024-03-31 01:59:59"),
    ("2024-03-31 01:00:00", "Europe/Berlin", "2024-03-31 03:00:00"),
)
"""UTC, a zone, and the local time there: answers that no later decision of a government changes."""

NO_DATA = "this image has no time-zone data"
"""The server says this when it starts from an image without time-zone data
(components/files/mariadb/start.sh).
"""


def time_zones(config: ChecksConfig) -> str:
    """Conversions into named zones are right, and a session can take one."""
    with connected(config[MariadbTarget]) as connection:
        columns = ", ".join(["CAST(CONVERT_TZ(%s, 'UTC', %s) AS CHAR)"] * len(KNOWN))
        values = [value for utc, zone, _ in KNOWN for value in (utc, zone)]
        [answers] = query(connection, f"SELECT {columns}", values)
        if all(answer is None for answer in answers):
            raise _unknown(config)
        wrong = [
            f"{utc} UTC is {answer or 'nothing'} in {zone}, not {local}"
            for (utc, zone, local), answer in zip(KNOWN, answers, strict=True)
            if answer != local
        ]
        if wrong:
            raise CheckFailed(
                "; ".join(wrong),
                "the local time of each zone",
                "The server's time-zone tables are damaged or not complete. Delete the file time-zones on "
                f"the volume, and run `kubectl -n {config.namespace} delete pod "
                f"{config[MariadbTarget].statefulset}-0`: the server loads them anew when it starts.",
            )
        query(connection, "SET time_zone = %s", [ZONE])
    return f"{len(KNOWN)} conversions into named zones are right"


def _unknown(config: ChecksConfig) -> CheckFailed:
    pod, namespace = f"{config[MariadbTarget].statefulset}-0", config.namespace
    seen = f"the server knows no time zone by its name: CONVERT_TZ into {ZONE} is NULL"
    if NO_DATA in _log(pod, namespace):
        return CheckSkipped(
            f"{seen}, because its image has no time-zone data",
            "an image with the folder /usr/share/zoneinfo and the program mariadb-tzinfo-to-sql",
            "Offsets such as +09:00 work. If applications use names of zones, set filewallball:mariadb.image "
            "to an official MariaDB image, and run `fwb up`.",
        )
    return CheckFailed(
        seen,
        "time-zone tables that were loaded at the server's start",
        f"Look at `kubectl -n {namespace} logs {pod}`, which says why. Then run `kubectl -n {namespace} "
        f"delete pod {pod}`: the server loads them anew when it starts.",
    )


def _log(pod: str, namespace: str) -> str:
    try:
        with Kube.connect() as kube:
            return kube.logs(pod, namespace)
    except KubeError:
        return ""
