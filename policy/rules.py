"""All rules, by family."""

from __future__ import annotations

from policy import (
    accounts,
    data,
    iam,
    images,
    keeping,
    literals,
    openings,
    pod_security,
    running,
    s3,
    schedules,
    sentinels,
)

RULES = (
    *pod_security.RULES,
    *images.RULES,
    *running.RULES,
    *literals.RULES,
    *accounts.RULES,
    *openings.RULES,
    *data.RULES,
    *schedules.RULES,
    *sentinels.RULES,
    *s3.RULES,
    *iam.RULES,
    *keeping.RULES,
)
BY_NAME = {rule.name: rule for rule in RULES}
