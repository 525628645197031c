"""The Valkey session set: the agent beside each member."""
