"""The hot cache's table, as SQLAlchemy describes it; psycopg executes."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Table, text

from app.db.metadata import metadata

cache_pin = Table(
    "cache_pin",
    metadata,
    Column("dataset_id", BigInteger, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True),
    Column("pinned_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)
