"""The store of backups: the server that a stack may run, and how a pod is told of any store."""

from __future__ import annotations

from typing import Final

NAME: Final = "store"
"""The name of the Service, the Deployment and the container, and of the access label."""
PORT: Final = 7070
CLAIM: Final = "store-data"
ENDPOINT: Final = f"http://{NAME}:{PORT}"
CREDENTIALS: Final = "store-credentials"
ACCESS_KEY: Final = "access-key"
"""The key in the Secret that holds the access key. A Secret that the user makes has the same keys."""
SECRET_KEY: Final = "secret-key"  # noqa: S105 - the key's name
SESSION_TOKEN: Final = "session-token"  # noqa: S105 - the usual name of its key
CA_PATH: Final = "/etc/filewallball-store"
"""The folder in a pod with the certificates of a private authority."""
LEASE: Final = "filewallball-store"
"""The name of the Lease that keeps writers apart if the store can't."""
ADDRESSINGS: Final = ("path", "virtual")
"""Where a URL has the bucket's name: https://HOST/BUCKET/KEY or https://BUCKET.HOST/KEY."""


class Variables:
    """What the environment of a pod that uses the store tells."""

    BUCKET: Final = "FWB_STORE_BUCKET"
    PREFIX: Final = "FWB_STORE_PREFIX"
    REGION: Final = "FWB_STORE_REGION"
    ENDPOINT: Final = "FWB_STORE_ENDPOINT"
    ACCESS_KEY_FILE: Final = "FWB_STORE_ACCESS_KEY_FILE"
    SECRET_KEY_FILE: Final = "FWB_STORE_SECRET_KEY_FILE"  # noqa: S105 - a name
    SESSION_TOKEN_FILE: Final = "FWB_STORE_SESSION_TOKEN_FILE"  # noqa: S105 - a name
    CA_FILE: Final = "FWB_STORE_CA_FILE"
    ADDRESSING: Final = "FWB_STORE_ADDRESSING"
    LEASE: Final = "FWB_STORE_LEASE"
