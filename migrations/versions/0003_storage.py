"""Storage: where the rows of bucket datasets are.

Revision ID: 0003
Revises: 0002
"""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables of storage."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Not offered: without these tables nobody knows where the rows of bucket datasets are."""
    raise NotImplementedError("storage is not taken back; restore a backup from before the upgrade instead")
