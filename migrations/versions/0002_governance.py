"""Governance: access roles and clearance, safe views, tombstones, erasures, journal, audit.

Revision ID: 0002
Revises: 0001
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of governance; what readers see of them follows from sql/, which is installed afterwards."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Not offered: without these tables nothing would hold what they hold back."""
    raise NotImplementedError(
        "governance is not taken back; restore a backup from before the upgrade instead"
    )
