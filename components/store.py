"""An S3 server in the namespace, for stacks that have no bucket elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, schema, volume
from components.described import Address, Described, Description, Image, Outputs
from components.endpoints import Bucket
from components.kube import (
    Keeping,
    Object,
    config_map,
    files,
    fingerprint,
    generated_secret,
    labels,
    lone_disruption_budget,
    metadata,
    selector,
    service,
)
from facts.app import FILES_CREDENTIALS
from facts.pods import CONFIG_PATH, config_file, secret_folder
from facts.policy import NO_BACKUP
from facts.store import ACCESS_KEY, CLAIM, CREDENTIALS, ENDPOINT, NAME, PORT, SECRET_KEY

if TYPE_CHECKING:
    from components import kinds

_LABELS = labels(NAME, "object-store")
_USERS = "/run/store"


@dataclass
class StoreArgs:
    """`files`: the bucket of the application's files, if there is one."""

    namespace: pulumi.Input[str]
    settings: schema.Store
    keeping: Keeping
    files: str | None = None


class Store(Described):
    """versitygw over a volume that outlives `destroy`, with its Service `store` and its bucket."""

    bucket: Bucket

    def __init__(self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Store", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        config = files(NAME)
        template = _template(args.settings, args.files, fingerprint(config))
        self.description = Description(
            fingerprint(template),
            images=(Image("backup.store.image", args.settings.image),),
            outputs=Outputs(hosts={NAME: Address(NAME, PORT)}),
        )
        self.bucket = reach(args.settings, self)
        generated_secret(CREDENTIALS, args.namespace, _LABELS, [ACCESS_KEY, SECRET_KEY], self)
        if args.files:
            generated_secret(FILES_CREDENTIALS, args.namespace, _LABELS, [ACCESS_KEY, SECRET_KEY], self)
        Object(f"{name}-config", config_map("store-config", args.namespace, _LABELS, config), child)
        volume.claim(CLAIM, args.namespace, "object-store", args.settings.storage, args.keeping, self)
        Object(f"{name}-service", service(NAME, args.namespace, _LABELS, selector(NAME), {"s3": PORT}), child)
        Object(
            f"{name}-server",
            _deployment(args.namespace, template),
            pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(
                    custom_timeouts=pulumi.CustomTimeouts(create="5m", update="5m", delete="2m")
                ),
            ),
        )
        Object(f"{name}-disruptions", lone_disruption_budget(NAME, args.namespace, _LABELS), child)
        Object(f"{name}-network", network.server(NAME, args.namespace, "object-store", PORT), child)
        Object(f"{name}-clients", network.clients(NAME, args.namespace, "object-store", PORT), child)
        self.register_outputs({})

    @classmethod
    def where_wanted(cls, name: str, args: StoreArgs, opts: pulumi.ResourceOptions) -> list[Store]:
        """The server, where the settings don't name a store elsewhere; else none."""
        return [cls(name, args, opts)] if args.settings.in_cluster else []


def reach(settings: schema.Store, server: Store | None = None) -> Bucket:
    """The bucket that the settings mean. `server`: the one of the namespace, if the stack runs it."""
    return Bucket(
        ENDPOINT if server else settings.endpoint,
        settings.region,
        settings.bucket_name,
        settings.prefix,
        CREDENTIALS if server else settings.credentials_secret,
        server,
        settings.session_token_key,
        settings.ca,
        settings.addressing,
    )


def files_beside(bucket: Bucket, settings: schema.Settings) -> Bucket:
    """The bucket of the application's files, at the service of the backups' bucket."""
    own = FILES_CREDENTIALS if bucket.server else settings.app.files.credentials_secret
    return bucket.beside(settings.files_bucket or "", own)


def _template(store: schema.Store, files: str | None, config: str) -> kinds.PodTemplateSpec:
    health: kinds.Probe = {"httpGet": {"path": "/health", "port": "s3"}, "timeoutSeconds": 5}
    mounts = {
        "data": "/var/lib/store",
        "config": CONFIG_PATH,
        "credentials": secret_folder(CREDENTIALS),
        "tmp": "/tmp",  # noqa: S108 - a volume of the pod's own
    }
    volumes = [
        pods.claim_volume("data", CLAIM),
        pods.config_volume("config", "store-config"),
        pods.secret_volume("credentials", CREDENTIALS, [ACCESS_KEY, SECRET_KEY]),
        pods.scratch_volume("tmp", "64Mi"),
    ]
    if files:
        mounts |= {"files": secret_folder(FILES_CREDENTIALS), "users": _USERS}
        volumes += [
            pods.secret_volume("files", FILES_CREDENTIALS, [ACCESS_KEY, SECRET_KEY]),
            pods.scratch_volume("users", "1Mi", memory=True),
        ]
    server = pods.container(
        NAME,
        store.image,
        store.resources,
        ["/bin/sh", config_file("start.sh")],
        mounts,
        writable=["data", "tmp", *(["users"] if files else [])],
        env={
            "FWB_BUCKET": store.bucket_name,
            "FWB_REGION": store.region,
            "FWB_FILES_BUCKET": files or "",
        },
        ports=[{"name": "s3", "containerPort": PORT, "protocol": "TCP"}],
        startupProbe=health | {"periodSeconds": 1, "failureThreshold": 60},
        readinessProbe=health | {"periodSeconds": 5, "failureThreshold": 3},
        livenessProbe=health | {"periodSeconds": 20, "failureThreshold": 6},
    )
    return pods.template(
        _LABELS,
        [server],
        volumes,
        annotations={"filewallball.io/config": config},
    )


def _deployment(namespace: pulumi.Input[str], template: kinds.PodTemplateSpec) -> kinds.Deployment:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(NAME, namespace, _LABELS, {NO_BACKUP: "It holds the backups themselves."}),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector(NAME)},
            # Never two servers on one volume.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 240,
            "template": template,
        },
    }
