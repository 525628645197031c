"""What Alembic runs: the connection comes from filewallball.app.migrate, which holds the lock."""

from __future__ import annotations

from alembic import context

from filewallball.app.schema import VERSION_TABLE
from filewallball.app.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
