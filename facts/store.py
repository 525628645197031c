"""The store of backups: the server that a stack may run, and how a pod is told of any store."""

from __future__ import annotations

from typing import Final

NAME: Final = "store"
"""Of the Service, the Deployment and the container; what a client's access label names."""
PORT: Final = 7070
CLAIM: Final = "store-data"
ENDPOINT: Final = f"http://{NAME}:{PORT}"
CREDENTIALS: Final = "store-credentials"
ACCESS_KEY: Final = "access-key"
"""The Secret's key that holds the access key; a Secret of the user's own has the same keys."""
SECRET_KEY: Final = "secret-key"  # noqa: S105 - the key's name
SESSION_TOKEN: Final = "session-token"  # noqa: S105 - the usual name of its key
CA_PATH: Final = "/etc/filewallball-store"
"""Where a pod has the certificates of a private authority."""
LEASE: Final = "filewallball-store"
"""The Lease that keeps writers apart where the store can't."""
ADDRESSINGS: Final = ("path", "virtual")
"""Where the bucket's name stands: https://HOST/BUCKET/KEY or https://BUCKET.HOST/KEY."""


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
