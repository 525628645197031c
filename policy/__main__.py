"""The pack, as the Pulumi CLI starts it: `pulumi preview --policy-pack policy`."""

from __future__ import annotations

import sys
from pathlib import Path

# The CLI runs this file by its path; the rules are a package beside `facts`.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import PolicyPack

from policy.hearing import hear
from policy.pack import policy_of
from policy.rules import RULES

hear()
PolicyPack("filewallball", [policy_of(rule) for rule in RULES])
