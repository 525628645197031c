"""Every rule passes what is right, and finds what is wrong, where it is, without quoting a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aws_cases import CASES as AWS
from cluster_cases import CASES as CLUSTER
from policy_cases import CANARY, Case
from policy_cases import CASES as KUBERNETES
from registrations import registered, violations
from test_pod_security_rules import REFUSED

from policy import judging
from policy.rule import Rule
from policy.rules import BY_NAME, RULES

CASES: dict[str, Case] = {**KUBERNETES, **CLUSTER, **AWS}


def test_every_rule_has_cases_of_both_kinds() -> None:
    refused = {f"pod-security-{rule}" for rule, *_ in REFUSED}
    assert set(CASES) | refused == set(BY_NAME)
    assert len(BY_NAME) == len(RULES)
    assert all(case.good and case.bad for case in CASES.values())


@pytest.mark.parametrize("rule", CASES)
def test_what_is_right_passes(rule: str) -> None:
    case = CASES[rule]
    for stack in case.good:
        assert violations(rule, *stack, settings=case.settings, protected=case.protected) == []


@pytest.mark.parametrize(
    ("rule", "number"), [(rule, n) for rule in CASES for n in range(len(CASES[rule].bad))]
)
def test_what_is_wrong_is_found(rule: str, number: int) -> None:
    case = CASES[rule]
    stack, resource, path = case.bad[number]
    found = violations(rule, *stack, settings=case.settings, protected=case.protected)
    assert (resource, path) in found


@pytest.mark.parametrize("rule", [rule for rule in CASES if rule.startswith("secret-")])
def test_no_value_of_a_secret_is_told(rule: str) -> None:
    for stack, *_ in CASES[rule].bad:
        assert CANARY not in json.dumps(judging.judge(stack))
        assert "AKIAIOSFODNN7EXAMPLE" not in json.dumps(judging.judge(stack))


@pytest.mark.parametrize("rule", [rule for rule in BY_NAME if BY_NAME[rule].production])
def test_rules_of_production_leave_other_stacks_alone(rule: str) -> None:
    for stack, *_ in CASES[rule].bad:
        renamed = json.loads(json.dumps(stack).replace("urn:pulumi:prd::", "urn:pulumi:dev::"))
        assert violations(rule, *renamed) == []
        assert violations(rule, *renamed, settings={"productionStacks": ["d*"]})
        assert violations(rule, *renamed, protected=True)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_says_in_one_sentence_why(rule: Rule) -> None:
    reason = rule.reason
    assert reason[0].isupper()
    assert reason.endswith(".")
    assert "\n" not in reason
    assert len(reason) <= 110


def test_a_message_names_resource_path_value_and_mend() -> None:
    stack, *_ = CLUSTER["cronjob-forbid"].bad[1]
    (found,) = [each for each in judging.judge(stack)["violations"] if each["rule"] == "cronjob-forbid"]
    assert found["message"] == "CronJob shop/nightly: spec.concurrencyPolicy is Allow. Write Forbid."


def test_the_rules_are_read_by_no_name_that_python_has() -> None:
    """The Pulumi CLI starts the pack in its folder: its modules must hide none of the standard library's."""
    import sys

    names = {path.stem for path in Path(judging.__file__).parent.glob("*.py")}
    assert not names & set(sys.stdlib_module_names)


def test_charts_and_patches_are_no_objects() -> None:
    """What is no whole object is neither labelled nor judged: the provider takes no such properties."""
    types = ("helm.sh/v3:Release", "yaml/v2:ConfigGroup", "kustomize/v2:Directory", "apps/v1:DeploymentPatch")
    stack = [registered(f"kubernetes:{each}", "a", {"spec": {"template": {"spec": {}}}}) for each in types]
    outcome = judging.judge(stack)
    assert (outcome["violations"], outcome["remedied"]) == ([], [])
