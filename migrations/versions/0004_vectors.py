"""Vectors: what searches, refreshes, trials and changes of the model keep.

Revision ID: 0004
Revises: 0003
"""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run 0004_vectors_<part>.sql, each the tables of one part, by name."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    here = Path(__file__)
    for part in sorted(here.parent.glob(f"{here.stem}_*.sql")):
        connection.execute(part.read_text())


def downgrade() -> None:
    """Not offered: indexes whose model was changed would lose the record of which vectors count."""
    raise NotImplementedError("vectors are not taken back; restore a backup from before the upgrade instead")
