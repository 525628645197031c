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


class Variables:
    """What the environment of a pod that uses the store tells."""

    BUCKET: Final = "FWB_STORE_BUCKET"
    PREFIX: Final = "FWB_STORE_PREFIX"
    REGION: Final = "FWB_STORE_REGION"
    ENDPOINT: Final = "FWB_STORE_ENDPOINT"
    ACCESS_KEY_FILE: Final = "FWB_STORE_ACCESS_KEY_FILE"
    SECRET_KEY_FILE: Final = "FWB_STORE_SECRET_KEY_FILE"  # noqa: S105 - a name
