"""A bucket that the stack makes at AWS, and the accounts that may use it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.faults import Clash, Fault
from components.schema.base import Model, to_set
from components.values import Bucket

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
"""What names the role of a ServiceAccount."""
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_PARTITION = r"arn:(?P<partition>aws|aws-cn|aws-us-gov)"
_PROVIDER = re.compile(
    rf"{_PARTITION}:iam::(?P<account>\d{{12}}):oidc-provider/(?P<issuer>[\w.:/-]+)", re.ASCII
)
_KEY = re.compile(
    rf"{_PARTITION}:kms:(?P<region>[a-z0-9-]+):(?P<account>\d{{12}}):key/[\w-]{{1,64}}", re.ASCII
)
_CLUSTER = re.compile(r"[A-Za-z0-9][\w-]{0,99}", re.ASCII)
_ANY_ACCOUNT, _ANY_REGION = "0" * 12, "set-me"
"""What stands in for an account and a region that have not been set yet: these fit to any."""
_PROFILE = re.compile(r"[\w.@/+-]{1,128}", re.ASCII)


_REGION = re.compile(rf"[a-z]{{2,4}}(-[a-z]+){{1,3}}-\d{{1,2}}|{_ANY_REGION}")


def _like(pattern: re.Pattern[str], why: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(why)
        return text

    return AfterValidator(check)


Account = Annotated[
    str, _like(_ACCOUNT, "not an account's number; write its 12 digits in quotes, such as '123456789012'")
]
AwsRegion = Annotated[
    str,
    _like(
        _REGION,
        "not a region's name at AWS; write such as eu-central-1, without a zone's letter",
    ),
]
OidcProvider = Annotated[
    str,
    _like(
        _PROVIDER,
        "not the ARN of an IAM OIDC provider; write the one of the cluster, such as"
        " arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE",
    ),
]
KmsKey = Annotated[
    str,
    _like(
        _KEY,
        "not the ARN of a key, and an alias may point at another key tomorrow; write such as"
        " arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    ),
]
EksCluster = Annotated[
    str, _like(_CLUSTER, "not an EKS cluster's name; write the one of `aws eks list-clusters`")
]
Profile = Annotated[
    str, _like(_PROFILE, "not a profile's name; write one that `aws configure list-profiles` prints")
]


def partition_of(region: str) -> str:
    """The partition of AWS that a region belongs to: what its ARNs begin with, after `arn:`."""
    for start, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(start):
            return partition
    return "aws"


def _differ(one: str, other: str, either: str) -> bool:
    return one != other and either not in (one, other)


class ObjectLock(Model):
    """How long no version of an object can be deleted. For what is locked it can't be taken back."""

    mode: Literal["governance", "compliance"] = Field(
        default="governance",
        description="governance: whoever has s3:BypassGovernanceRetention may delete; compliance: nobody.",
    )
    days: Annotated[int, Field(ge=1, le=36500)] = Field(
        default=14, description="Days that each new version is locked for."
    )


class Aws(Model):
    """A bucket that the stack makes at AWS, and a role with least rights for each account that uses it.

    The Pulumi CLI makes them; the embedded engine only shows them.
    """

    bucket: Bucket = Field(
        description="Name of the new bucket. Bucket names are unique in the whole world.",
        json_schema_extra=to_set("a new name, such as that of your company with -filewallball", "set-me"),
    )
    region: AwsRegion = Field(
        description="Region of the bucket.",
        json_schema_extra=to_set("that of the cluster, such as eu-central-1", _ANY_REGION),
    )
    account: Account = Field(
        description="Number of the AWS account: 12 digits in quotes. Nothing is made in any other account.",
        json_schema_extra=to_set(
            "the one that `aws sts get-caller-identity --query Account` prints", _ANY_ACCOUNT
        ),
    )
    oidc_provider: OidcProvider | None = Field(
        default=None,
        description="ARN of the cluster's IAM OIDC provider, by which ServiceAccounts get roles (IRSA).",
        json_schema_extra=to_set(
            "the one of `aws iam list-open-id-connect-providers` with the id of the cluster's issuer, which"
            " `aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer` prints",
            f"arn:aws:iam::{_ANY_ACCOUNT}:oidc-provider/set-me",
        ),
    )
    eks_cluster: EksCluster | None = Field(
        default=None,
        description="Name of the EKS cluster, in place of oidcProvider. The cluster must have the add-on"
        " EKS Pod Identity Agent.",
        json_schema_extra=to_set("one of the names that `aws eks list-clusters` prints", "set-me"),
    )
    profile: Profile | None = Field(
        default=None,
        description="Profile of ~/.aws/config with the credentials. If not set: the credentials of the"
        " environment, such as AWS_PROFILE.",
    )
    kms_key: KmsKey | None = Field(
        default=None,
        description="ARN of a KMS key that encrypts the objects. If not set: S3's own keys (SSE-S3).",
        json_schema_extra=to_set(
            "the KeyArn of one that `aws kms list-keys` prints",
            f"arn:aws:kms:{_ANY_REGION}:{_ANY_ACCOUNT}:key/set-me",
        ),
    )
    noncurrent_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=30, description="A deleted object can be brought back for so many days."
    )
    unfinished_days: Annotated[int, Field(ge=1, le=365)] = Field(
        default=7, description="The parts of an upload that never ended are deleted after so many days."
    )
    object_lock: ObjectLock | None = Field(
        default=None,
        description="Lock each version against deletion. If not set: versions are kept, and not locked.",
    )

    @property
    def partition(self) -> str:
        return partition_of(self.region)

    @property
    def issuer(self) -> str:
        """The issuer of the cluster's tokens, without https://, as conditions of a role name it."""
        found = _PROVIDER.fullmatch(self.oidc_provider or "")
        return found["issuer"] if found else ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        faults = [*self._one_identity(), *self._one_place()]
        if faults:
            raise Clash(*faults)
        return self

    def _one_identity(self) -> Iterator[Fault]:
        if (self.oidc_provider is None) == (self.eks_cluster is None):
            how = "both are named" if self.eks_cluster else "neither is named"
            yield self.clash(
                "oidcProvider",
                f"{how}; write one of oidcProvider (roles by the cluster's OIDC provider) and eksCluster"
                " (roles by EKS Pod Identity)",
            )

    def _one_place(self) -> Iterator[Fault]:
        provider = _PROVIDER.fullmatch(self.oidc_provider or "")
        if provider and _differ(provider["account"], self.account, _ANY_ACCOUNT):
            yield self.clash(
                "oidcProvider",
                f"of another account than {{.account}} {self.account}, whose roles can't trust it; write the"
                " provider of that account, or correct the account",
            )
        key = _KEY.fullmatch(self.kms_key or "")
        if key and _differ(key["region"], self.region, _ANY_REGION):
            yield self.clash(
                "kmsKey",
                f"in another region than {{.region}} {self.region}, where S3 can't use it; write a key of"
                " that region",
            )
        for path, found in (("oidcProvider", provider), ("kmsKey", key)):
            if not found or found["account"] == _ANY_ACCOUNT or self.region == _ANY_REGION:
                continue
            if found["partition"] != self.partition:
                yield self.clash(
                    path,
                    f"in another partition of AWS than {{.region}} {self.region}; write an ARN that begins"
                    f" with arn:{self.partition}:",
                )
