"""The session set: its Sentinels, its primary, its replicas, its passwords, its configuration."""

from __future__ import annotations

from facts.checks.valkey import ValkeyTarget
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites import (
    valkey_access,
    valkey_conf,
    valkey_connections,
    valkey_primary,
    valkey_replicas,
)
from filewallball.checks.suites.valkey_nodes import explain

CHECKS = (
    Check("valkey-quorum", valkey_primary.quorum, quick=True, timeout=60, explain=explain),
    Check("valkey-primary", valkey_primary.primary, quick=True, timeout=60, explain=explain),
    Check("valkey-replicas", valkey_replicas.replicas, quick=True, timeout=60, explain=explain),
    Check("valkey-config", valkey_conf.configuration, quick=True, timeout=60, explain=explain),
    Check("valkey-connections", valkey_connections.connections, quick=True, timeout=60, explain=explain),
    Check("valkey-reads", valkey_replicas.reads, timeout=90, explain=explain),
    Check("valkey-passwords", valkey_access.passwords, timeout=60, explain=explain),
    Check("valkey-persistence", valkey_conf.persistence, timeout=60, explain=explain),
)

SUITE = Suite(ValkeyTarget, CHECKS, place=20)
