"""What was measured remembers which questions its eval set had.

Revision ID: 0006
Revises: 0005
"""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(Path(__file__).with_suffix(".sql").read_text())


def downgrade() -> None:
    """Not offered: nobody could say any more what was asked the same."""
    raise NotImplementedError(
        "the journal of trials is not taken back; restore a backup from before the upgrade instead"
    )
