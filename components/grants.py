"""What each account may do with the stack's bucket at AWS, as documents of IAM. Pure: declares nothing.

The actions are those that the jobs' code uses, and no more: tests/e2e/backup/test_grants.py holds the two
together, against a server that enforces them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components import schema
from facts import app, backup, binlogs, checks, snapshots

POD_IDENTITY_AGENT = "169.254.170.23/32"
"""Where the agent of EKS Pod Identity answers on each node, at port 80."""
LIST = "s3:ListBucket"
PARTS = "s3:ListBucketMultipartUploads"
"""To find uploads that broke off. AWS knows no condition for it by which it could be held to some names."""
ARRIVED = "s3:ListMultipartUploadParts"
READ = ("s3:GetObject",)
WRITE = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject")
READ_KEY = ("kms:Decrypt",)
WRITE_KEY = ("kms:Decrypt", "kms:GenerateDataKey")
"""With both: S3 decrypts the parts of an upload that are there, to go on with it."""
_LONGEST_ROLE = 64

Document = dict[str, Any]


@dataclass(frozen=True)
class Grant:
    """The rights of one ServiceAccount. `objects`: (folder, what its objects' names begin with).

    `resumes`: it looks at what has arrived of an upload.
    """

    account: str
    objects: tuple[tuple[str, str], ...]
    writes: bool
    resumes: bool = False

    @property
    def purpose(self) -> str:
        """A short name of the account."""
        return self.account.removeprefix("filewallball-")


GRANTS = (
    # The shipper of the binary log runs under the backup's account: it needs to know which backups there are.
    Grant(backup.NAME, (("", backup.OBJECTS), (binlogs.FOLDER, "")), writes=True),
    Grant(snapshots.NAME, ((snapshots.FOLDER, snapshots.OBJECTS),), writes=True),
    Grant(
        checks.NAME,
        (("", backup.OBJECTS), (snapshots.FOLDER, snapshots.OBJECTS), (binlogs.FOLDER, "")),
        writes=False,
    ),
)
FILES = Grant(app.ACCOUNT, (("", ""),), writes=True, resumes=True)
"""The application's rights on the bucket of its files."""


def rights(grant: Grant, aws: schema.Aws, prefix: str) -> Document:
    """What the role of the account allows, below the prefix of the bucket."""
    return {"Version": "2012-10-17", "Statement": list(_statements(grant, aws, prefix))}


def _statements(grant: Grant, aws: schema.Aws, prefix: str) -> Iterator[Document]:
    bucket = f"arn:{aws.partition}:s3:::{aws.bucket}"
    folders = sorted({prefix + folder for folder, _ in grant.objects})
    objects = sorted(f"{prefix}{folder}{name}*" for folder, name in grant.objects)
    listing: Document = {"Sid": "List", "Effect": "Allow", "Action": [LIST], "Resource": [bucket]}
    if objects != ["*"]:
        # A folder is listed as a whole; whether one object is there is found out by listing its name.
        listing["Condition"] = {"StringLike": {"s3:prefix": sorted({*folders, *objects})}}
    yield listing
    yield {
        "Sid": "Objects",
        "Effect": "Allow",
        "Action": [*(WRITE if grant.writes else READ), *([ARRIVED] if grant.resumes else [])],
        "Resource": [f"{bucket}/{each}" for each in objects],
    }
    if grant.writes:
        yield {"Sid": "Unfinished", "Effect": "Allow", "Action": [PARTS], "Resource": [bucket]}
    if aws.kms_key:
        yield {
            "Sid": "Key",
            "Effect": "Allow",
            "Action": list(WRITE_KEY if grant.writes else READ_KEY),
            "Resource": [aws.kms_key],
            "Condition": {"StringEquals": {"kms:ViaService": f"s3.{aws.region}.{_domain(aws)}"}},
        }


def _domain(aws: schema.Aws) -> str:
    return "amazonaws.com.cn" if aws.partition == "aws-cn" else "amazonaws.com"


def trust(aws: schema.Aws, namespace: str, account: str) -> Document:
    """Who may take the role: pods of this one ServiceAccount of the cluster."""
    if aws.eks_cluster:
        cluster = f"arn:{aws.partition}:eks:{aws.region}:{aws.account}:cluster/{aws.eks_cluster}"
        statement: Document = {
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": {
                    "aws:RequestTag/eks-cluster-arn": cluster,
                    "aws:RequestTag/kubernetes-namespace": namespace,
                    "aws:RequestTag/kubernetes-service-account": account,
                }
            },
        }
    else:
        statement = {
            "Principal": {"Federated": aws.oidc_provider},
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {
                "StringEquals": {
                    f"{aws.issuer}:aud": "sts.amazonaws.com",
                    f"{aws.issuer}:sub": f"system:serviceaccount:{namespace}:{account}",
                }
            },
        }
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def tls_only(aws: schema.Aws) -> Document:
    """The bucket's own policy: nobody comes in over a connection that others could read."""
    bucket = f"arn:{aws.partition}:s3:::{aws.bucket}"
    deny: Document = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, f"{bucket}/*"],
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "OnlyTls", **deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Sid": "OnlyTls12", **deny, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
        ],
    }


def role_name(stack: str, grant: Grant) -> str:
    """The name of the role, with the stack's in it: all stacks of an account share one room of names."""
    name = f"filewallball-{stack}-{grant.purpose}"
    if len(name) <= _LONGEST_ROLE:
        return name
    mark = hashlib.sha256(stack.encode()).hexdigest()[:8]
    ending = f"-{mark}-{grant.purpose}"
    return name[: _LONGEST_ROLE - len(ending)] + ending


def role_arn(aws: schema.Aws, stack: str, grant: Grant) -> str:
    """Its ARN, known before it is made."""
    return f"arn:{aws.partition}:iam::{aws.account}:role/{role_name(stack, grant)}"


def text(document: Mapping[str, Any]) -> str:
    """A document as AWS takes it, and always the same for the same content."""
    return json.dumps(document, sort_keys=True)
