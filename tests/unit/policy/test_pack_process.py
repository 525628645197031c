"""The pack under the analyzer protocol, as the Pulumi CLI speaks it."""

from __future__ import annotations

import json
from collections.abc import Generator

import aws_cases
import cluster_cases
import policy_cases
import pytest
import yaml
from analyzer_process import PACK, SECRET, found, request, started, struct
from google.protobuf import empty_pb2, json_format
from policy_cases import CANARY
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from registrations import Registration, kube

from policy import judging
from policy.rules import BY_NAME, RULES

Stub = analyzer_pb2_grpc.AnalyzerStub
BAD = [
    {**each, "urn": f"{each['urn']}-{number}".replace("pulumi:prd::", "pulumi:dev::")}
    for cases in (policy_cases.CASES, cluster_cases.CASES, aws_cases.CASES)
    for rule, case in cases.items()
    for number, (stack, *_) in enumerate(case.bad[:1])
    if rule not in ("names-collide", "data-backup")
    for each in stack
]


@pytest.fixture(scope="module")
def analyzer() -> Generator[Stub]:
    with started() as stub:
        yield stub


def level(stub: Stub, **levels: int) -> None:
    """What the CLI does at the beginning: every rule is configured."""
    numbers = {"advisory": 0, "mandatory": 1, "disabled": 2, "remediate": 3}
    configured = {
        rule.name: analyzer_pb2.PolicyConfig(
            enforcementLevel=levels.get(rule.name, numbers[rule.level]),
            properties=struct({option.name: option.default for option in rule.options}),
        )
        for rule in RULES
    }
    stub.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig=configured))


def test_the_pack_tells_the_cli_of_every_rule(analyzer: Stub) -> None:
    info = analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    assert [each.name for each in info.policies] == [rule.name for rule in RULES]
    for each in info.policies:
        rule = BY_NAME[each.name]
        assert each.description == rule.reason
        assert analyzer_pb2.EnforcementLevel.Name(each.enforcementLevel).lower() == rule.level
        assert set(each.configSchema.properties) == {option.name for option in rule.options}


def test_both_ways_find_the_same(analyzer: Stub) -> None:
    level(analyzer)
    # of what is marked as secret, the CLI tells its policies nothing
    settings = {"labels": "advisory", "secret-marked": "disabled"}
    ours = judging.judge(BAD, settings)["violations"]
    expected = sorted((each["rule"], each["urn"], f"{each['reason']}\n{each['message']}") for each in ours)
    assert len({rule for rule, *_ in expected}) > 35
    assert found(analyzer, BAD) == expected


def test_no_secret_is_told(analyzer: Stub) -> None:
    level(analyzer)
    assert CANARY not in json.dumps(found(analyzer, BAD))


def test_a_rule_can_be_switched_off(analyzer: Stub) -> None:
    level(analyzer, **{"image-tag": 2})
    assert "image-tag" not in {rule for rule, *_ in found(analyzer, BAD)}
    level(analyzer)
    assert "image-tag" in {rule for rule, *_ in found(analyzer, BAD)}


def test_labels_are_set_right_and_secrets_stay_secrets(analyzer: Stub) -> None:
    level(analyzer)
    secret: Registration = kube(
        "Secret", body={"data": {**SECRET, "value": {"password": CANARY}}, "nothing": None}
    )
    secret["props"]["metadata"]["labels"] = {"own": "kept"}
    response = analyzer.Remediate(request(secret))
    (remedied,) = response.remediations
    props = json_format.MessageToDict(remedied.properties)
    assert props["data"] == {**SECRET, "value": {"password": CANARY}}
    assert props["metadata"]["labels"] == {
        "own": "kept",
        "app.kubernetes.io/name": "web",
        "app.kubernetes.io/instance": "shop",
        "app.kubernetes.io/part-of": "shop",
        "app.kubernetes.io/managed-by": "pulumi",
    }
    assert not remedied.diagnostic
    again = request({**secret, "props": props})
    assert not analyzer.Remediate(again).remediations
    assert "labels" not in {each.policyName for each in analyzer.Analyze(again).diagnostics}


def test_what_is_not_known_yet_stops_no_rule(analyzer: Stub) -> None:
    level(analyzer)
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    stack = [
        kube("Deployment", body={"spec": unknown}),
        kube("NetworkPolicy", body={"spec": {"podSelector": unknown}}),
    ]
    assert not [message for *_, message in found(analyzer, stack) if "can't run policy" in message]


def test_a_stack_that_protects_itself_is_production_under_any_name() -> None:
    stack = policy_cases.CASES["image-digest"].good[1]
    with started() as stub:
        level(stub)
        for config, expected in (({}, False), ({"shop:protect": "true"}, True)):
            told = analyzer_pb2.AnalyzerStackConfigureRequest(stack="dev", project="shop", config=config)
            stub.ConfigureStack(told)
            assert ("image-digest" in {rule for rule, *_ in found(stub, stack)}) is expected


def test_the_pack_shares_the_projects_environment() -> None:
    described = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    environment = described["runtime"]["options"]["virtualenv"]
    assert (PACK / environment).resolve() == PACK.parent / ".venv"
