"""Alembic's scripts. A migration may only add: servers of the version before work on beside it."""
