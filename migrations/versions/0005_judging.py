"""Questions that are vectors remember the model that made them; what the gate found is kept apart from the index.

Revision ID: 0005
Revises: 0004
"""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run 0005_judging_<part>.sql, by name."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    here = Path(__file__)
    for part in sorted(here.parent.glob(f"{here.stem}_*.sql")):
        connection.execute(part.read_text())


def downgrade() -> None:
    """Not offered: nobody could say any more which model a question's vector was made by."""
    raise NotImplementedError(
        "questions are not taken back; restore a backup from before the upgrade instead"
    )
