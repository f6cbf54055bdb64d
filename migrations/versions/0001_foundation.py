"""The foundation's tables, and the queue's schema.

Revision ID: 0001
Revises:
"""

from pathlib import Path

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the catalog tables in `lakeward` and procrastinate 3.10.0's own in `jobs`."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    # op.execute would take ':' for parameters and exec_driver_sql '%'; the driver takes SQL as it is.
    connection.execute(Path(__file__).with_suffix(".sql").read_text())
    connection.execute("set local search_path to jobs")
    connection.execute(SchemaManager.get_schema())
    connection.execute("set local search_path to pg_catalog")


def downgrade() -> None:
    """Not offered: the first revision is where a deployment begins."""
    raise NotImplementedError("there is nothing before the foundation; drop the database instead")
