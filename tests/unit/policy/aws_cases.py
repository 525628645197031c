"""For each rule about AWS: registrations of pulumi-aws 7 that pass, and ones that fail."""

from __future__ import annotations

import json
from typing import Any

from policy_cases import Case
from registrations import Registration, aws, changed

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
ARN = "arn:aws:s3:::backups"
TLS: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [ARN, f"{ARN}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
BUCKET = aws("s3.Bucket", "backups", {"bucket": "backups"}, protect=True)
VERSIONING = aws(
    "s3.BucketVersioning", "versions", {"bucket": "backups", "versioningConfiguration": {"status": "Enabled"}}
)
CIPHER = aws(
    "s3.BucketServerSideEncryptionConfiguration",
    "cipher",
    {"bucket": "backups", "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]},
)
BLOCK = aws(
    "s3.BucketPublicAccessBlock",
    "block",
    {
        "bucket": "backups",
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    },
)
LIFECYCLE = aws(
    "s3.BucketLifecycleConfiguration",
    "lifecycle",
    {
        "bucket": "backups",
        "rules": [
            {"id": "old", "status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 30}},
            {
                "id": "unfinished",
                "status": "Enabled",
                "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
            },
            {"id": "markers", "status": "Enabled", "expiration": {"expiredObjectDeleteMarker": True}},
        ],
    },
)


def bucket_policy(*statements: dict[str, Any]) -> Registration:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return aws("s3.BucketPolicy", "policy", {"bucket": "backups", "policy": json.dumps(document)})


def by_dependency(registration: Registration) -> Registration:
    """As in a preview: the bucket's name isn't known yet, and the property depends on it."""
    props = {**registration["props"], "bucket": UNKNOWN}
    return {**registration, "props": props, "needs": {"bucket": [BUCKET["urn"]]}}


def change(registration: Registration, *path: str | int, to: Any) -> Registration:
    return {**registration, "props": changed(registration["props"], path, to)}


def document(**statement: Any) -> str:
    given = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"{ARN}/daily/*", **statement}
    return json.dumps({"Statement": [{key: value for key, value in given.items() if value is not None}]})


def role_policy(**statement: Any) -> list[Registration]:
    return [aws("iam.RolePolicy", "rights", {"role": "backup", "policy": document(**statement)})]


def role(**props: Any) -> list[Registration]:
    return [aws("iam.Role", "backup", {"name": "backup", **props})]


def trust(**statement: Any) -> list[Registration]:
    return role(assumeRolePolicy=document(Action="sts:AssumeRoleWithWebIdentity", Resource=None, **statement))


OIDC = "oidc.eks.example.org/id/1"
FEDERATED = {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{OIDC}"}
SUBJECT = "system:serviceaccount:filewallball:filewallball-backup"


def subject(name: str, how: str = "StringEquals") -> list[Registration]:
    return trust(
        Principal=FEDERATED, Condition={how: {f"{OIDC}:sub": name, f"{OIDC}:aud": "sts.amazonaws.com"}}
    )


IN_POLICY = "policy.Statement[0]"
TRUST = "assumeRolePolicy.Statement[0]"
CASES: dict[str, Case] = {
    "s3-encryption": Case(
        [
            [BUCKET, CIPHER],
            [BUCKET, by_dependency(CIPHER)],
            [{**BUCKET, "type": "aws:s3/bucketV2:BucketV2"}, CIPHER],
        ],
        [
            ([BUCKET], "backups", "bucket"),
            ([BUCKET, change(CIPHER, "bucket", to="another")], "backups", "bucket"),
            ([BUCKET, change(CIPHER, "rules", to=[{}])], "cipher", "rules"),
        ],
    ),
    "s3-versioning": Case(
        [[BUCKET, VERSIONING], [change(BUCKET, "versioning", to={"enabled": True})]],
        [
            ([BUCKET], "backups", "bucket"),
            (
                [BUCKET, change(VERSIONING, "versioningConfiguration", "status", to="Suspended")],
                "versions",
                "versioningConfiguration.status",
            ),
        ],
    ),
    "s3-private": Case(
        [[BUCKET, BLOCK, bucket_policy(TLS)], [BUCKET, by_dependency(BLOCK)]],
        [
            ([BUCKET], "backups", "bucket"),
            ([BUCKET, change(BLOCK, "restrictPublicBuckets", to=None)], "block", "restrictPublicBuckets"),
            ([change(BUCKET, "acl", to="public-read"), BLOCK], "backups", "acl"),
            (
                [
                    BUCKET,
                    BLOCK,
                    bucket_policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject"}),
                ],
                "policy",
                f"{IN_POLICY}.Principal",
            ),
        ],
    ),
    "s3-tls": Case(
        [
            [BUCKET, bucket_policy(TLS)],
            [BUCKET, change(bucket_policy(TLS), "policy", to={"Statement": [TLS]})],
            [BUCKET, change(bucket_policy(TLS), "policy", to=UNKNOWN)],
        ],
        [
            ([BUCKET], "backups", "policy"),
            ([BUCKET, bucket_policy({**TLS, "Resource": f"{ARN}/*"})], "policy", "policy"),
            ([BUCKET, bucket_policy({**TLS, "Effect": "Allow"})], "policy", "policy"),
            (
                [BUCKET, bucket_policy({**TLS, "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::a/*"]})],
                "policy",
                "policy",
            ),
            ([BUCKET, bucket_policy({**TLS, "Action": "s3:GetObject"})], "policy", "policy"),
            (
                [
                    BUCKET,
                    bucket_policy(
                        {
                            **TLS,
                            "Condition": {**TLS["Condition"], "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
                        }
                    ),
                ],
                "policy",
                "policy",
            ),
        ],
    ),
    "s3-no-expiry": Case(
        [[BUCKET, LIFECYCLE], [BUCKET]],
        [
            (
                [BUCKET, change(LIFECYCLE, "rules", 0, "expiration", to={"days": 30})],
                "lifecycle",
                "rules[0].expiration",
            ),
            (
                [change(BUCKET, "lifecycleRules", to=[{"enabled": True, "expiration": {"days": 30}}])],
                "backups",
                "lifecycleRules[0].expiration",
            ),
        ],
    ),
    "iam-actions": Case(
        [role_policy(), role_policy(Effect="Deny", Action="*")],
        [
            (role_policy(Action="s3:Get*"), "rights", f"{IN_POLICY}.Action"),
            (role_policy(Action=None, NotAction="s3:DeleteBucket"), "rights", f"{IN_POLICY}.NotAction"),
            (
                role(inlinePolicies=[{"name": "a", "policy": document(Action="*")}]),
                "backup",
                "inlinePolicies[0].policy.Statement[0].Action",
            ),
        ],
    ),
    "iam-resources": Case(
        [role_policy(), role_policy(Resource=ARN), role_policy(Resource=[ARN, f"{ARN}/*"])],
        [
            (role_policy(Resource=each), "rights", f"{IN_POLICY}.Resource")
            for each in ("*", "arn:aws:s3:::*", "arn:aws:s3:::back*/daily/*", "arn:aws:kms:*:*:key/*")
        ],
    ),
    "iam-managed-policies": Case(
        [role(managedPolicyArns=["arn:aws:iam::123456789012:policy/backup"])],
        [
            (
                role(managedPolicyArns=["arn:aws:iam::aws:policy/AmazonS3FullAccess"]),
                "backup",
                "managedPolicyArns[0]",
            ),
            (
                [
                    aws(
                        "iam.RolePolicyAttachment",
                        "a",
                        {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
                    )
                ],
                "a",
                "policyArn",
            ),
        ],
    ),
    "iam-trust": Case(
        [subject(SUBJECT), trust(Principal={"Service": "pods.eks.amazonaws.com"})],
        [
            (trust(Principal="*"), "backup", f"{TRUST}.Principal"),
            (trust(Principal=FEDERATED), "backup", f"{TRUST}.Condition"),
            (subject("system:serviceaccount:*:*"), "backup", f"{TRUST}.Condition"),
            (subject(SUBJECT, "StringLike"), "backup", f"{TRUST}.Condition"),
        ],
    ),
}
