"""The Valkey session set: the agent beside each member, and snapshots of what it holds."""
