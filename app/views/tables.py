"""Safe views, as SQLAlchemy describes them; psycopg executes."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.metadata import metadata

safe_view = Table(
    "safe_view",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("columns", ARRAY(Text), nullable=False),
    Column("redactions", JSONB, nullable=False, server_default="{}"),
    Column("description", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("created_by", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(["id", "name"], ["relation.id", "relation.name"], ondelete="CASCADE"),
)

safe_view_base = Table(
    "safe_view_base",
    metadata,
    Column(
        "view_id",
        BigInteger,
        ForeignKey("safe_view.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("base_id", BigInteger, ForeignKey("dataset.id"), nullable=False),
    Column("row_filter", Text),
    Column("filter_tree", JSONB),
    Index(None, "base_id"),
    CheckConstraint("(row_filter is null) = (filter_tree is null)", name="filter_has_tree"),
)
