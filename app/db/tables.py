"""The deployment's own row, as SQLAlchemy describes it; psycopg executes."""

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Table, Text, text

from app.db.metadata import metadata

deployment = Table(
    "deployment",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("prefix", Text, nullable=False),
    Column("profile_prefix", Text, nullable=False),
    Column("owner_role", Text, nullable=False),
    Column("gate_role", Text, nullable=False),
    Column("steward_role", Text, nullable=False),
    Column("service_role", Text, nullable=False),
    Column("ext_schema", Text, nullable=False),
    Column("views_made_by", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("only_row", name="only_row_check"),
)
