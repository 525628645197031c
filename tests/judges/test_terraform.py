"""The translation to Terraform: names, blocks, references, and no template where none is meant."""

from __future__ import annotations

import pytest

from tests.judges.rendered import Stacks
from tests.judges.terraform import block, resource_type, translated


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("aws:s3/bucket:Bucket", "aws_s3_bucket"),
        ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "aws_s3_bucket_public_access_block"),
        ("aws:iam/rolePolicy:RolePolicy", "aws_iam_role_policy"),
        ("aws:eks/podIdentityAssociation:PodIdentityAssociation", "aws_eks_pod_identity_association"),
    ],
)
def test_types(token: str, name: str) -> None:
    assert resource_type(token) == name


def test_properties() -> None:
    given = {
        "rules": [
            {"sseAlgorithm": "aws:kms", "apply": {"kmsMasterKeyId": "${key} %{x}"}, "bucketKeyEnabled": True}
        ],
        "tags": {"CostCentre": "${a}"},
    }
    assert block(given) == {
        "rule": [
            {
                "sse_algorithm": "aws:kms",
                "apply": {"kms_master_key_id": "$${key} %%{x}"},
                "bucket_key_enabled": True,
            }
        ],
        "tags": {"CostCentre": "$${a}"},
    }


def test_references_and_protection() -> None:
    role = {"name": "r-1", "assumeRolePolicy": "{}"}
    resources = [
        {"type": "pulumi:providers:aws", "name": "p", "props": {"region": "x", "allowedAccountIds": '["1"]'}},
        {"type": "aws:s3/bucket:Bucket", "name": "b", "props": {"bucket": "some"}, "protect": True},
        {
            "type": "aws:s3/bucketPolicy:BucketPolicy",
            "name": "b-p",
            "props": {"bucket": "some"},
            "protect": False,
        },
        {
            "type": "aws:s3/bucketPolicy:BucketPolicy",
            "name": "o-p",
            "props": {"bucket": "other"},
            "protect": False,
        },
        {"type": "aws:iam/role:Role", "name": "r", "props": role, "protect": False},
        {"type": "aws:iam/rolePolicy:RolePolicy", "name": "r-p", "props": {"role": "r-1"}, "protect": False},
    ]
    assert translated(resources) == {
        "provider": {"aws": {"region": "x", "allowed_account_ids": ["1"]}},
        "resource": {
            "aws_s3_bucket": {"b": {"bucket": "some", "lifecycle": {"prevent_destroy": True}}},
            "aws_s3_bucket_policy": {"b-p": {"bucket": "${aws_s3_bucket.b.id}"}, "o-p": {"bucket": "other"}},
            "aws_iam_role": {"r": {"name": "r-1", "assume_role_policy": "{}"}},
            "aws_iam_role_policy": {"r-p": {"role": "${aws_iam_role.r.name}"}},
        },
    }


def test_the_whole_of_prd(stacks: Stacks) -> None:
    found = translated({**each, "protect": each["options"]["protect"]} for each in stacks.aws)
    made = found["resource"]
    assert sum(map(len, made.values())) == len(stacks.aws) - 1
    for kind, each in made.items():
        assert kind.startswith(("aws_s3_bucket", "aws_iam_role"))
        for body in each.values():
            if kind.startswith("aws_s3_bucket_"):
                assert body["bucket"] == "${aws_s3_bucket.bucket.id}"
