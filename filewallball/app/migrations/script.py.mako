"""${message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Only add. MariaDB ends a transaction at each statement: each must bear being run again."""
    ${upgrades if upgrades else "pass"}
