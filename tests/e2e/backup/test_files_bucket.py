"""The bucket of the application's files in the stack's own store: the pod's script, with the real server."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from local_program import free_port, program

from components.kube import FILES
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.build import binaries

BACKUPS, WALLS = "some-backups", "some-files"
KEYS = {
    "store-credentials": ("root-key", "root-secret-key"),
    "store-files-credentials": ("files-key", "files-secret-key"),
}


@contextmanager
def store(folder: Path) -> Iterator[str]:
    """The server as its pod starts it, with the pod's folders below this one; yields its endpoint."""
    port, alone = free_port(), free_port()
    for path in ("var/lib/store", "run/store"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    for name, (access, secret) in KEYS.items():
        keys = folder / "secrets" / name
        keys.mkdir(parents=True, exist_ok=True)
        (keys / "access-key").write_text(access)
        (keys / "secret-key").write_text(secret)
    text = (FILES / "store" / "start.sh").read_text(encoding="utf-8")
    for path in ("/var/lib/store", "/run/store", "/secrets"):
        text = text.replace(path, f"{folder}{path}")
    script = folder / "start.sh"
    script.write_text(text.replace(":7070", f"127.0.0.1:{port}").replace(":7071", f":{alone}"))

    def answers() -> None:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()

    tools = binaries(Progress())["versitygw"].parent
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "FWB_BUCKET": BACKUPS,
        "FWB_FILES_BUCKET": WALLS,
        "FWB_REGION": "us-east-1",
    }
    with program(["/bin/sh", str(script)], folder, answers, **environment):
        yield f"http://127.0.0.1:{port}"


def client(endpoint: str, keys: tuple[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def test_the_application_has_its_bucket_and_no_way_to_the_backups(tmp_path: Path) -> None:
    with store(tmp_path) as endpoint:
        root, app = (
            client(endpoint, KEYS["store-credentials"]),
            client(endpoint, KEYS["store-files-credentials"]),
        )
        root.put_object(Bucket=BACKUPS, Key="dump", Body=b"secret")
        app.put_object(Bucket=WALLS, Key="picture", Body=b"mine")
        upload = app.create_multipart_upload(Bucket=WALLS, Key="film")["UploadId"]
        app.abort_multipart_upload(Bucket=WALLS, Key="film", UploadId=upload)
        calls = {
            "get_object": {"Key": "dump"},
            "head_object": {"Key": "dump"},
            "put_object": {"Key": "dump", "Body": b""},
            "delete_object": {"Key": "dump"},
            "list_objects_v2": {},
            "put_bucket_policy": {"Policy": "{}"},
            "delete_bucket": {},
        }
        for name, parameters in calls.items():
            with pytest.raises(ClientError) as refused:
                getattr(app, name)(Bucket=BACKUPS, **parameters)
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, name
        with pytest.raises(ClientError):
            app.create_bucket(Bucket="another")
    with store(tmp_path) as endpoint:  # the next start finds all of it, and changes nothing
        app = client(endpoint, KEYS["store-files-credentials"])
        assert app.get_object(Bucket=WALLS, Key="picture")["Body"].read() == b"mine"
        root = client(endpoint, KEYS["store-credentials"])
        assert root.get_object(Bucket=BACKUPS, Key="dump")["Body"].read() == b"secret"
