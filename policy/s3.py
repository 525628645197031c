"""S3 buckets: encrypted, versioned, private, over TLS alone, and nothing in them expires by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from policy.aws_policies import everyone, statements, values
from policy.plain import as_list, at, is_unknown, listed, mapping, text
from policy.resources import Resource, Stack
from policy.rule import Context, Finding, Rule

_BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_CIPHERS = ("AES256", "aws:kms", "aws:kms:dsse")
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_NARROWING = {
    *("aws:principalorgid", "aws:principalaccount", "aws:principalarn", "aws:sourcearn", "aws:sourceaccount"),
    *("aws:sourcevpc", "aws:sourcevpce", "aws:sourceip", "aws:userid"),
}
_PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")


def _buckets(stack: Stack) -> Iterator[Resource]:
    return (each for each in stack if each.type in _BUCKETS)


def _companions(stack: Stack, bucket: Resource, name: str) -> list[Resource]:
    """The resources of one type that say more of a bucket, such as BucketVersioning."""
    token = f"aws:s3/{name[0].lower()}{name[1:]}:{name}"
    older = f"aws:s3/{name[0].lower()}{name[1:]}V2:{name}V2"
    own = (bucket.props.get("bucket"), bucket.props.get("id"))
    return [each for each in stack if each.type in (token, older) and each.refers_to("bucket", bucket, *own)]


def _encryption(stack: Stack, _: Context) -> Iterable[Finding]:
    for bucket in _buckets(stack):
        inline = as_list(at(bucket.props, "serverSideEncryptionConfiguration", "rule"))
        rules = [("serverSideEncryptionConfiguration", bucket, each) for each in inline]
        for each in _companions(stack, bucket, "BucketServerSideEncryptionConfiguration"):
            rules += [("rules", each, rule) for rule in listed(each.props, "rules")]
        ciphers = [at(rule, "applyServerSideEncryptionByDefault", "sseAlgorithm") for _, _, rule in rules]
        if not rules:
            yield Finding(
                ("bucket",),
                "has no BucketServerSideEncryptionConfiguration",
                "Declare one, with sseAlgorithm aws:kms or AES256.",
                bucket,
            )
        for (path, owner, _rule), cipher in zip(rules, ciphers, strict=True):
            if cipher not in _CIPHERS and not is_unknown(cipher):
                yield Finding((path,), "names no cipher", "Write sseAlgorithm aws:kms or AES256.", owner)


def _versioning(stack: Stack, _: Context) -> Iterable[Finding]:
    for bucket in _buckets(stack):
        companions = _companions(stack, bucket, "BucketVersioning")
        if at(bucket.props, "versioning", "enabled") is not True and not companions:
            yield Finding(("bucket",), "has no BucketVersioning", "Declare one, with status Enabled.", bucket)
        for each in companions:
            status = at(each.props, "versioningConfiguration", "status")
            if status != "Enabled" and not is_unknown(status):
                path = ("versioningConfiguration", "status")
                yield Finding(path, f"is {status or 'not set'}", "Write Enabled.", each)


def _private(stack: Stack, _: Context) -> Iterable[Finding]:
    for bucket in _buckets(stack):
        blocks = _companions(stack, bucket, "BucketPublicAccessBlock")
        if not blocks:
            yield Finding(
                ("bucket",),
                "has no BucketPublicAccessBlock",
                f"Declare one, with {', '.join(_BLOCKS)} true.",
                bucket,
            )
        for each in blocks:
            for name in _BLOCKS:
                if each.props.get(name) is not True and not is_unknown(each.props.get(name)):
                    yield Finding((name,), "is not true", "Write true.", each)
        for each in (bucket, *_companions(stack, bucket, "BucketAcl")):
            if each.props.get("acl") in _PUBLIC_ACLS:
                yield Finding(("acl",), f"is {each.props['acl']}", "Leave it out.", each)
        for each, path, statement in _policy(stack, bucket):
            if statement.get("Effect") == "Allow" and everyone(statement) and not _narrowed(statement):
                yield Finding((*path, "Principal"), "lets everyone in", "Name who may.", each)


def _narrowed(statement: dict[str, Any]) -> bool:
    """Whether a condition says who comes, or from where."""
    keys = {key.lower() for each in mapping(statement, "Condition").values() for key in mapping(each)}
    return bool(keys & _NARROWING)


def _policy(
    stack: Stack, bucket: Resource
) -> Iterator[tuple[Resource, tuple[str | int, ...], dict[str, Any]]]:
    for each in (bucket, *_companions(stack, bucket, "BucketPolicy")):
        for place, statement in statements(each.props.get("policy")):
            yield each, ("policy", *place), statement


def _tls(stack: Stack, _: Context) -> Iterable[Finding]:
    for bucket in _buckets(stack):
        policies = _companions(stack, bucket, "BucketPolicy")
        if any(is_unknown(each.props.get("policy")) for each in policies):
            continue
        denying = [statement for _, _, statement in _policy(stack, bucket) if _denies_plain(statement)]
        arns = {arn for each in denying for arn in values(each, "Resource")}
        name = text(bucket.props.get("bucket"))
        # where its name isn't known yet, that of any bucket will do
        inside = {arn for arn in arns if arn.endswith(f":::{name}/*" if name else "/*")}
        whole = {arn for arn in arns - inside if arn.endswith(f":::{name}" if name else "")}
        # an empty one isn't known yet
        if not (arns & {"*", ""} or (inside and whole)):
            yield Finding(
                ("policy",),
                "doesn't refuse requests without TLS to the bucket and to what is in it",
                "Add a statement: Deny s3:* for everyone, on the bucket's ARN and on that with /*, where"
                " aws:SecureTransport is false.",
                policies[0] if policies else bucket,
            )


def _denies_plain(statement: dict[str, Any]) -> bool:
    """Whether a statement refuses what comes without TLS, and has no other condition."""
    condition = mapping(statement, "Condition")
    flags = mapping(condition, "Bool")
    insecure = [str(each).lower() for each in as_list(flags.get("aws:SecureTransport"))] == ["false"]
    alone = set(condition) == {"Bool"} and set(flags) == {"aws:SecureTransport"}
    all_actions = bool({"s3:*", "*"} & set(values(statement, "Action")))
    return statement.get("Effect") == "Deny" and everyone(statement) and insecure and alone and all_actions


def _expiry(stack: Stack, _: Context) -> Iterable[Finding]:
    for bucket in _buckets(stack):
        rules = [
            (("lifecycleRules", index), bucket, each)
            for index, each in enumerate(listed(bucket.props, "lifecycleRules"))
            if at(each, "enabled") is not False
        ]
        for owner in _companions(stack, bucket, "BucketLifecycleConfiguration"):
            rules += [
                (("rules", index), owner, each)
                for index, each in enumerate(listed(owner.props, "rules"))
                if text(at(each, "status")) != "Disabled"
            ]
        for path, owner, rule in rules:
            expiration = mapping(rule, "expiration")
            if expiration.get("days") or expiration.get("date"):
                yield Finding(
                    (*path, "expiration"),
                    "deletes objects that are in use",
                    "Leave it out; noncurrentVersionExpiration and abortIncompleteMultipartUpload are fine.",
                    owner,
                )


_FAMILY = "S3"
RULES = (
    Rule(
        "s3-encryption", _FAMILY, "Without the key, nobody can read the disks of S3.", check_stack=_encryption
    ),
    Rule(
        "s3-versioning",
        _FAMILY,
        "An object that was deleted by mistake can be restored.",
        check_stack=_versioning,
    ),
    Rule("s3-private", _FAMILY, "Backups hold all data, so nobody else may read them.", check_stack=_private),
    Rule(
        "s3-tls",
        _FAMILY,
        "Without TLS, others on the network can read and change the data.",
        check_stack=_tls,
    ),
    Rule(
        "s3-no-expiry",
        _FAMILY,
        "The backup program decides which backups are old, not the bucket.",
        check_stack=_expiry,
    ),
)
