"""${message}

The previous version of the app must keep working while this runs.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """"""


def downgrade() -> None:
    """"""
