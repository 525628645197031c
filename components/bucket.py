"""Buckets at AWS, for backups and for the users' files, closed to all but the accounts that use them.

pulumi_aws is not imported: its modules for S3 and IAM take a second, and a `CustomResource` with the same
token and camelCase properties is the same resource to either engine, as in components/kube.py. A test holds
both to the package, which also tells the Pulumi CLI which plugin to use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pulumi

from components import grants, network, schema
from components.described import Described, Description, Outputs
from components.endpoints import Bucket
from components.grants import Grant
from components.kube import Object, fingerprint
from facts import store

Properties = dict[str, Any]
_BACKUPS = "backups"


@dataclass
class AwsBucketArgs:
    """`where`: the namespace, known once it is there. `stack`: the stack's name, which its roles carry."""

    where: pulumi.Input[str]
    settings: schema.Settings
    stack: str


@dataclass(frozen=True)
class _Wanted:
    """One bucket: what it holds, below which prefix, and who may use it."""

    holds: str
    aws: schema.Aws
    prefix: str
    grants: tuple[Grant, ...]


class AwsBucket(Described):
    """The bucket, which outlives `destroy` with all that guards it, and a role per ServiceAccount."""

    bucket: Bucket

    def __init__(
        self, name: str, args: AwsBucketArgs, wanted: _Wanted, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("filewallball:index:AwsBucket", name, None, opts)
        aws, prefix = wanted.aws, wanted.prefix
        rights = {grant: grants.text(grants.rights(grant, aws, prefix)) for grant in wanted.grants}
        self.description = Description(
            fingerprint(aws.model_dump(), *rights.values()),
            outputs=Outputs(buckets={wanted.holds: f"s3://{aws.bucket}/{prefix}"}),
        )
        arns = {grant.account: grants.role_arn(aws, args.stack, grant) for grant in rights}
        self.bucket = Bucket(
            None, aws.region, aws.bucket, prefix, None, made=self, roles={} if aws.eks_cluster else arns
        )
        self._provider = _provider(f"{name}-aws", aws, self)
        tags = {"Project": "filewallball", "Stack": args.stack}
        self._keep(name, aws, tags, protect=args.settings.protect)
        for grant, document in rights.items():
            role = self._role(f"{name}-{grant.purpose}", args, aws, grant, document, tags)
            if aws.eks_cluster:
                association = _association(aws, args.settings.namespace, grant.account, arns[grant.account])
                self._make(
                    "eks:PodIdentityAssociation", f"{name}-{grant.purpose}-identity", association, role
                )
        if aws.eks_cluster and wanted.holds == _BACKUPS:  # once for all clients of any bucket
            manifest = network.to_address(
                "store-identity", args.where, "backup", store.NAME, grants.POD_IDENTITY_AGENT, 80
            )
            Object(f"{name}-identity", manifest, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})

    @classmethod
    def where_wanted(
        cls, name: str, args: AwsBucketArgs, opts: pulumi.ResourceOptions
    ) -> Sequence[AwsBucket]:
        """The bucket of the backups, where the settings ask for one; else none."""
        keeping = args.settings.backup.store
        if not keeping.aws:
            return []
        return [cls(name, args, _Wanted(_BACKUPS, keeping.aws, keeping.prefix, grants.GRANTS), opts)]

    @classmethod
    def for_files(cls, name: str, args: AwsBucketArgs, opts: pulumi.ResourceOptions) -> Sequence[AwsBucket]:
        """The bucket of the users' files, where the settings ask for one; else none.

        It keeps versions as the other one does, so that what was deleted by mistake can come back for a
        while. None of them is locked: who deletes a file may count on its going.
        """
        aws, called = args.settings.backup.store.aws, args.settings.files_bucket
        if not (aws and called):
            return []
        own = aws.model_copy(update={"bucket": called, "object_lock": None})
        return [cls(name, args, _Wanted("files", own, "", (grants.FILES,)), opts)]

    def _keep(self, name: str, aws: schema.Aws, tags: Mapping[str, str], *, protect: bool) -> None:
        """The bucket and what guards it. One without the other would be data that nobody protects."""
        kept = pulumi.ResourceOptions(retain_on_delete=True, protect=protect)
        made = {"": self._make("s3:Bucket", name, {"bucket": aws.bucket, "tags": dict(tags)}, opts=kept)}
        for part, (kind, after, properties) in _guards(aws).items():
            made[part] = self._make(
                f"s3:{kind}", f"{name}-{part}", {"bucket": aws.bucket, **properties}, made[after], opts=kept
            )

    def _role(
        self,
        name: str,
        args: AwsBucketArgs,
        aws: schema.Aws,
        grant: Grant,
        document: str,
        tags: Mapping[str, str],
    ) -> pulumi.Resource:
        called = grants.role_name(args.stack, grant)
        properties: Properties = {
            "name": called,
            "description": f"{grant.account} of stack {args.stack}, for bucket {aws.bucket}",
            "assumeRolePolicy": grants.text(grants.trust(aws, args.settings.namespace, grant.account)),
            "tags": dict(tags),
        }
        role = self._make("iam:Role", name, properties)
        rights: Properties = {"name": "store", "role": called, "policy": document}
        return self._make("iam:RolePolicy", f"{name}-rights", rights, role)

    def _make(
        self,
        kind: str,
        name: str,
        properties: Properties,
        after: pulumi.Resource | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> pulumi.Resource:
        own = pulumi.ResourceOptions(
            parent=self, provider=self._provider, depends_on=[after] if after else []
        )
        module, _, kind = kind.partition(":")
        token = f"aws:{module}/{kind[0].lower()}{kind[1:]}:{kind}"
        return pulumi.CustomResource(token, name, properties, pulumi.ResourceOptions.merge(own, opts))


def _provider(name: str, aws: schema.Aws, parent: pulumi.Resource) -> pulumi.ProviderResource:
    """The way into the account. Credentials come from the environment or a profile, never from the stack."""
    properties: Properties = {"region": aws.region, "allowedAccountIds": json.dumps([aws.account])}
    if aws.profile:
        properties["profile"] = aws.profile
    return pulumi.ProviderResource(
        "aws", name, properties, pulumi.ResourceOptions(parent=parent, version=version("pulumi-aws"))
    )


def _guards(aws: schema.Aws) -> dict[str, tuple[str, str, Properties]]:
    """What is set on the bucket: its kind, after what, its properties. S3 takes few changes at a time."""
    encryption: Properties = {"sseAlgorithm": "AES256"}
    if aws.kms_key:
        encryption = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": aws.kms_key}
    rule: Properties = {
        "id": "leftovers",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrentVersionExpiration": {"noncurrentDays": aws.noncurrent_days},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": aws.unfinished_days},
    }
    private = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    guards: dict[str, tuple[str, str, Properties]] = {
        "private": ("BucketPublicAccessBlock", "", dict.fromkeys(private, True)),
        "owner": ("BucketOwnershipControls", "private", {"rule": {"objectOwnership": "BucketOwnerEnforced"}}),
        "tls": ("BucketPolicy", "private", {"policy": grants.text(grants.tls_only(aws))}),
        "encryption": (
            "BucketServerSideEncryptionConfiguration",
            "",
            {
                "rules": [
                    {
                        "applyServerSideEncryptionByDefault": encryption,
                        "bucketKeyEnabled": bool(aws.kms_key),
                    }
                ]
            },
        ),
        "versions": ("BucketVersioning", "", {"versioningConfiguration": {"status": "Enabled"}}),
        "leftovers": ("BucketLifecycleConfiguration", "versions", {"rules": [rule]}),
    }
    if aws.object_lock:
        retention = {"mode": aws.object_lock.mode.upper(), "days": aws.object_lock.days}
        lock = {"objectLockEnabled": "Enabled", "rule": {"defaultRetention": retention}}
        guards["lock"] = ("BucketObjectLockConfiguration", "versions", lock)
    return guards


def _association(aws: schema.Aws, namespace: str, account: str, role: str) -> Properties:
    return {
        "clusterName": aws.eks_cluster,
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": role,
    }
