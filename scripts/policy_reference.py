#!/usr/bin/env python3
"""Writes docs/policies.md from the rules in policy/; with --check, says whether it is current."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "policies.md"
sys.path.insert(0, str(ROOT))

from generated_page import write_or_check  # noqa: E402

from policy.rule import Rule  # noqa: E402
from policy.rules import RULES  # noqa: E402

INTRODUCTION = """# Policies

<!-- Made by scripts/policy_reference.py from policy/; a test holds the two together. -->

The policy pack `policy/` holds every stack to the rules below, before anything is deployed:

```console
fwb policy dev                            # offline: neither a cluster nor the Pulumi CLI is needed
fwb policy --state FILE                   # what is deployed: FILE is written by `pulumi stack export`
pulumi preview --policy-pack policy       # the same rules, run by the Pulumi CLI
```

Each violation names the resource, the path of the property, what it is, and what to write. The values of
secrets are never printed, nor is anything that an exported state keeps encrypted. The exit code is 1 if a
mandatory rule is violated; a wrong configuration ends with 2 before anything is judged.

## Levels and settings

A rule is `mandatory` (a violation fails the command), `advisory` (it is only reported), `remediate` (the
Pulumi CLI changes the resource; what can't be changed is a violation) or `disabled`. Levels and settings
stand in a file of JSON, `--config FILE` for `fwb policy` and `--policy-pack-config FILE` for the Pulumi CLI:

```json
{
  "image-registry": {"enforcementLevel": "mandatory", "registries": ["registry.example.org/shop"]},
  "rbac-secrets": "advisory"
}
```

The rule `all` stands for every rule that isn't named.

Rules marked *production* hold in production stacks alone: those that set `filewallball:protect`, and those
whose names match the setting `productionStacks` (PRODUCTION).

## What an object says for itself

Some rules take an annotation for an answer. It gives a reason of at least two words:

| annotation | on | what it says |
| --- | --- | --- |
| `filewallball.io/reason` | NetworkPolicy | who needs what it opens, and what for |
| `filewallball.io/backs-up` | CronJob | the workloads that it backs up, with commas between them |
| `filewallball.io/no-backup` | workload with a volume | why it needs no backup |
| `filewallball.io/no-data` | StatefulSet without a volume | why it keeps nothing |
| `filewallball.io/unprotected` | what holds data | why it can't have the option `protect` |

Of what a program marks as secret, the Pulumi CLI tells its policies nothing: `fwb policy` alone runs the rule
`secret-marked`. Objects of Kubernetes are judged whole. A patch of an object (`DeploymentPatch`) is not: the
rules can't see what it changes. Values that are known only after the deployment, such as a policy with the
ARN of a new bucket, are judged then.
"""


def main() -> int:
    return write_or_check(document(), TARGET, ROOT, Path(__file__).name)


def document() -> str:
    """The whole page."""
    stacks = next(option for rule in RULES if rule.production for option in rule.options[-1:])
    introduction = INTRODUCTION.replace("PRODUCTION", ", ".join(f"`{each}`" for each in stacks.default))
    families = groupby(RULES, lambda rule: rule.family)
    return introduction + "".join(_section(family, list(rules)) for family, rules in families)


def _section(family: str, rules: list[Rule]) -> str:
    head = "| rule | level | why | settings |\n| --- | --- | --- | --- |\n"
    return f"\n## {family}\n\n{head}{''.join(map(_row, rules))}"


def _row(rule: Rule) -> str:
    level = f"{rule.level}, *production*" if rule.production else rule.level
    settings = "; ".join(
        f"`{option.name}`: {option.description} (`{json.dumps(option.default)}`)"
        for option in rule.own_options
    )
    return f"| `{rule.name}` | {level} | {rule.reason} | {settings} |\n"


if __name__ == "__main__":
    sys.exit(main())
