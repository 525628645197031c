"""The bucket that a stack makes at AWS: how it is registered, what guards it, and who may do what with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from program_run import ACCOUNT, AWS, ISSUER, PRD_AWS, ROOT, Registered, Rendered, merged

Render = Callable[..., Rendered]
KEY = f"arn:aws:kms:ap-northeast-2:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
ACCOUNTS = {
    "filewallball-backup": "filewallball-test-backup",
    "filewallball-valkey-snapshot": "filewallball-test-valkey-snapshot",
    "filewallball-checks": "filewallball-test-checks",
}


def aws(**more: Any) -> dict[str, Any]:
    return merged(PRD_AWS, {"backup": {"store": {"aws": more}}})


POD_IDENTITY = aws(eksCluster="production", oidcProvider=None)


@pytest.fixture(scope="module")
def made() -> Rendered:
    from program_run import run_program

    return run_program(PRD_AWS)


def found(rendered: Rendered, kind: str) -> dict[str, Registered]:
    return {each.name: each for each in rendered.resources if each.type.endswith(f":{kind}")}


def only(rendered: Rendered, kind: str) -> Registered:
    [each] = found(rendered, kind).values()
    return each


def at_aws(rendered: Rendered) -> list[Registered]:
    return [each for each in rendered.resources if each.type.startswith("aws:")]


def rights(rendered: Rendered, account: str) -> list[dict[str, Any]]:
    policies = found(rendered, "RolePolicy").values()
    [policy] = [each for each in policies if each.inputs["role"] == ACCOUNTS[account]]
    return json.loads(policy.inputs["policy"])["Statement"]


def test_the_bucket_is_private_versioned_encrypted_and_loses_no_current_object(made: Rendered) -> None:
    assert only(made, "Bucket").inputs["bucket"] == "some-bucket"
    private = only(made, "BucketPublicAccessBlock").inputs
    closed = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(private[each] is True for each in closed)
    assert only(made, "BucketOwnershipControls").inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert only(made, "BucketVersioning").inputs["versioningConfiguration"] == {"status": "Enabled"}
    [rule] = only(made, "BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    [rule] = only(made, "BucketLifecycleConfiguration").inputs["rules"]
    assert rule == {
        "id": "leftovers",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrentVersionExpiration": {"noncurrentDays": 30},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
    }
    assert not found(made, "BucketObjectLockConfiguration")
    for statement in json.loads(only(made, "BucketPolicy").inputs["policy"])["Statement"]:
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
        assert statement["Resource"] == ["arn:aws:s3:::some-bucket", "arn:aws:s3:::some-bucket/*"]


def test_settings_reach_it(render: Render) -> None:
    lock = {"mode": "compliance", "days": 30}
    rendered = render(aws(kmsKey=KEY, objectLock=lock, noncurrentDays=90, unfinishedDays=2, profile="prod"))
    [rule] = only(rendered, "BucketServerSideEncryptionConfiguration").inputs["rules"]
    encryption = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
    assert rule == {"applyServerSideEncryptionByDefault": encryption, "bucketKeyEnabled": True}
    locked = only(rendered, "BucketObjectLockConfiguration")
    assert locked.inputs["rule"] == {"defaultRetention": {"mode": "COMPLIANCE", "days": 30}}
    assert only(rendered, "BucketVersioning").urn in locked.depends_on
    [rule] = only(rendered, "BucketLifecycleConfiguration").inputs["rules"]
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 90}
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 2}
    provider = only(rendered, "aws")
    assert provider.inputs["profile"] == "prod"
    for account, actions in (
        ("filewallball-backup", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ("filewallball-checks", ["kms:Decrypt"]),
    ):
        [statement] = [each for each in rights(rendered, account) if each["Sid"] == "Key"]
        assert (statement["Action"], statement["Resource"]) == (actions, [KEY])
        via = {"kms:ViaService": "s3.ap-northeast-2.amazonaws.com"}
        assert statement["Condition"] == {"StringEquals": via}


def test_what_guards_the_data_stays_with_it_and_roles_go(made: Rendered, render: Render) -> None:
    kept = {each.name for each in at_aws(made) if each.retain_on_delete}
    assert kept == {each.name for each in at_aws(made) if each.type.startswith("aws:s3/")}
    assert kept == {each.name for each in at_aws(made) if each.protect}
    unprotected = merged(PRD_AWS, {"protect": False})
    again = at_aws(render(unprotected))
    assert {each.name for each in again if each.retain_on_delete} == kept
    assert not [each for each in again if each.protect]


def test_the_provider_is_held_to_one_account_and_no_credential_is_in_the_stack(made: Rendered) -> None:
    provider = only(made, "aws")
    assert provider.inputs == {"region": "ap-northeast-2", "allowedAccountIds": f'["{ACCOUNT}"]'}
    assert all("bucket-aws" in each.provider for each in at_aws(made))


def test_each_account_may_touch_its_own_objects_alone(made: Rendered) -> None:
    writing = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    backups = "arn:aws:s3:::some-bucket/team/filewallball_backup_*"
    snapshots = "arn:aws:s3:::some-bucket/team/valkey/valkey_snapshot_*"
    log = "arn:aws:s3:::some-bucket/team/binlogs/*"
    for account, actions, objects in (
        ("filewallball-backup", writing, [log, backups]),
        ("filewallball-valkey-snapshot", writing, [snapshots]),
        ("filewallball-checks", ["s3:GetObject"], [log, backups, snapshots]),
    ):
        listing, touching, *more = rights(made, account)
        # To find what broke off; AWS lets nobody hold this to some names.
        assert [each["Action"] for each in more] == (
            [] if account.endswith("checks") else [["s3:ListBucketMultipartUploads"]]
        )
        assert (listing["Action"], listing["Resource"]) == (["s3:ListBucket"], ["arn:aws:s3:::some-bucket"])
        assert all(each.startswith("team/") for each in listing["Condition"]["StringLike"]["s3:prefix"])
        assert (touching["Action"], touching["Resource"]) == (actions, objects)
        assert listing["Effect"] == touching["Effect"] == "Allow"


def test_only_the_account_itself_takes_its_role(made: Rendered) -> None:
    roles = {
        each.inputs["name"]: each for each in found(made, "Role").values() if each.type.startswith("aws")
    }
    assert set(roles) == set(ACCOUNTS.values())
    for account, name in ACCOUNTS.items():
        annotations = made.object("ServiceAccount", account).inputs["metadata"]["annotations"]
        assert annotations["eks.amazonaws.com/role-arn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}"
        [statement] = json.loads(roles[name].inputs["assumeRolePolicy"])["Statement"]
        assert statement["Action"] == ["sts:AssumeRoleWithWebIdentity"]
        assert statement["Principal"] == {"Federated": AWS["oidcProvider"]}
        assert statement["Condition"]["StringEquals"] == {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": f"system:serviceaccount:filewallball:{account}",
        }


def test_pod_identity_does_without_annotations_but_reaches_its_agent(render: Render) -> None:
    rendered = render(POD_IDENTITY)
    bound = {
        each.inputs["serviceAccount"]: each for each in found(rendered, "PodIdentityAssociation").values()
    }
    assert set(bound) == set(ACCOUNTS)
    for account, name in ACCOUNTS.items():
        assert bound[account].inputs["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}"
        metadata = rendered.object("ServiceAccount", account).inputs["metadata"]
        assert "eks.amazonaws.com/role-arn" not in metadata.get("annotations", {})
    roles = [each for each in found(rendered, "Role").values() if each.type.startswith("aws")]
    for role in roles:
        [statement] = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        tags = statement["Condition"]["StringEquals"]
        cluster = f"arn:aws:eks:ap-northeast-2:{ACCOUNT}:cluster/production"
        assert tags["aws:RequestTag/eks-cluster-arn"] == cluster
        assert ACCOUNTS[tags["aws:RequestTag/kubernetes-service-account"]] == role.inputs["name"]
    [opening] = rendered.object("NetworkPolicy", "store-identity").inputs["spec"]["egress"]
    assert opening["to"] == [{"ipBlock": {"cidr": "169.254.170.23/32"}}]
    assert opening["ports"] == [{"protocol": "TCP", "port": 80}]


def test_jobs_wait_for_the_bucket_and_its_roles(made: Rendered) -> None:
    bucket = {each.urn for each in at_aws(made)}
    for name in ("backup-schedule", "snapshots-schedule"):
        assert bucket <= next(each for each in made.objects if each.name == name).depends_on
    job = next(each for each in made.objects if each.kind == "Job")
    assert bucket <= job.depends_on


def test_jobs_find_it_as_they_find_an_existing_one(made: Rendered) -> None:
    job = made.object("CronJob", "filewallball-backup-cronjob").inputs["spec"]["jobTemplate"]["spec"]
    told = {each["name"]: each["value"] for each in job["template"]["spec"]["containers"][0]["env"]}
    assert told["FWB_STORE_BUCKET"] == "some-bucket"
    assert told["FWB_STORE_REGION"] == "ap-northeast-2"
    assert told["FWB_STORE_PREFIX"] == "team/"
    assert "FWB_STORE_ENDPOINT" not in told
    assert made.outputs["buckets"] == {"backups": "s3://some-bucket/team/"}


@pytest.mark.parametrize(
    ("region", "partition", "domain"),
    [
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("eu-central-1", "aws", "amazonaws.com"),
    ],
)
def test_every_name_is_of_the_regions_partition(
    render: Render, region: str, partition: str, domain: str
) -> None:
    provider = AWS["oidcProvider"].replace("arn:aws:", f"arn:{partition}:")
    key = KEY.replace("arn:aws:", f"arn:{partition}:").replace("ap-northeast-2", region)
    rendered = render(aws(region=region, oidcProvider=provider, kmsKey=key))
    text = json.dumps([each.inputs for each in at_aws(rendered)])
    assert text.count("arn:") == text.count(f"arn:{partition}:") > 10
    assert f"s3.{region}.{domain}" in text


def test_the_roles_of_two_stacks_never_share_a_name() -> None:
    from components import grants

    long = "a" * 90
    names = [
        grants.role_name(stack, grant)
        for stack in ("prd", "stg", f"{long}1", f"{long}2")
        for grant in grants.GRANTS
    ]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 64 for name in names)


# One process of its own: pulumi_aws takes a second, which no other test should pay for.
CHECKED = """
import importlib, json, sys
for token, keys in json.load(sys.stdin):
    module, kind = token.split(":")[1].split("/")[0], token.rpartition(":")[2]
    found = getattr(importlib.import_module(f"pulumi_aws.{module}"), kind)
    assert found.pulumi_type == token, (found.pulumi_type, token)
    known = set(found._internal_init.__code__.co_varnames)
    snake = lambda key: "".join(f"_{each.lower()}" if each.isupper() else each for each in key)
    assert {snake(key) for key in keys} <= known, (token, keys)
"""


def test_tokens_and_properties_are_those_of_the_package(made: Rendered, render: Render) -> None:
    lock = {"mode": "governance", "days": 1}
    every = [
        *at_aws(made),
        *at_aws(render(merged(POD_IDENTITY, {"backup": {"store": {"aws": {"objectLock": lock}}}}))),
    ]
    asked = json.dumps([(each.type, list(each.inputs)) for each in every])
    done = subprocess.run(
        [sys.executable, "-c", CHECKED], input=asked, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_the_package_itself_is_not_imported(made: Rendered) -> None:
    assert at_aws(made)
    assert not [name for name in sys.modules if name.split(".")[0] == "pulumi_aws"]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"inCluster": True}, "inCluster", "exclude each other; write only one"),
    ({"bucket": "other"}, "bucket", "write aws.bucket, or leave aws out"),
    ({"region": "eu-central-1"}, "region", "write aws.region"),
    ({"endpoint": "https://s3.example.org"}, "endpoint", "leave it out, or leave aws out"),
    ({"credentialsSecret": "keys"}, "credentialsSecret", "leave it out, or leave aws out"),
    ({"addressing": "path"}, "addressing", "leave it out, or leave aws out"),
    ({"ca": {"secret": "a"}}, "ca", "leave it out, or leave aws out"),
    ({"storage": {"size": "9Gi"}}, "storage", "leave it out, or leave aws out"),
    ({"aws": {"account": 123456789012}}, "aws.account", "write it in quotes"),
    ({"aws": {"account": "1234"}}, "aws.account", "its 12 digits"),
    ({"aws": {"bucket": "Upper"}}, "aws.bucket", "not a bucket's name"),
    ({"aws": {"region": "eu_1"}}, "aws.region", "not a region's name"),
    ({"aws": {"oidcProvider": None}}, "aws.oidcProvider", "neither is named; write one of"),
    ({"aws": {"eksCluster": "production"}}, "aws.oidcProvider", "both are named; write one of"),
    ({"aws": {"oidcProvider": f"https://{ISSUER}"}}, "aws.oidcProvider", "not the ARN"),
    ({"aws": {"account": "210987654321"}}, "aws.oidcProvider", "of another account"),
    ({"aws": {"kmsKey": KEY.replace("ap-northeast-2", "eu-central-1")}}, "aws.kmsKey", "in another region"),
    ({"aws": {"kmsKey": "arn:aws:kms:ap-northeast-2:1:alias/x"}}, "aws.kmsKey", "an alias may point"),
    ({"aws": {"region": "cn-north-1"}}, "aws.oidcProvider", "begins with arn:aws-cn:"),
    ({"aws": {"objectLock": {"mode": "legal"}}}, "aws.objectLock.mode", "write governance or compliance"),
    ({"aws": {"objectLock": {"days": 0}}}, "aws.objectLock.days", "1 to 36500"),
    ({"aws": {"noncurrentDays": 0}}, "aws.noncurrentDays", "1 to 3650"),
    ({"aws": {"expireDays": 7}}, "aws.expireDays", "no such key"),
    ({"aws": {"profile": "a b"}}, "aws.profile", "not a profile's name"),
    ({"aws": {"eksCluster": "a b", "oidcProvider": None}}, "aws.eksCluster", "not an EKS cluster's name"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "path", "part"), WRONG)
def test_what_does_not_fit_is_refused_at_its_path(change: dict[str, Any], path: str, part: str) -> None:
    import settings

    with pytest.raises(settings.SettingsError) as raised:
        settings.load(merged(PRD_AWS, {"backup": {"store": change}}), "prd")
    assert [found for found, _, _ in raised.value.faults] == [f"backup.store.{path}"]
    assert part in str(raised.value)
    assert "{." not in str(raised.value)


def test_a_role_by_hand_beside_the_stacks_own_is_refused() -> None:
    import settings

    hand = {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}}
    change = {"backup": hand, "checks": hand, "valkey": {"snapshots": hand}}
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(merged(PRD_AWS, change), "prd")
    assert {path for path, _, _ in raised.value.faults} == {
        f"{part}.serviceAccountAnnotations.eks.amazonaws.com/role-arn"
        for part in ("backup", "checks", "valkey.snapshots")
    }


def test_a_sandbox_can_take_no_role() -> None:
    import settings

    change = {"cluster": {"sandbox": "some", "context": None}}
    with pytest.raises(settings.SettingsError, match="the pods of the sandbox some") as raised:
        settings.load(merged(PRD_AWS, change), "prd")
    assert [path for path, _, _ in raised.value.faults] == ["backup.store.aws"]
