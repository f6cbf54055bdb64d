"""Storage's tables, as SQLAlchemy describes them; psycopg executes."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, Table, Text, text

from app.db.metadata import metadata

storage_error = Table(
    "storage_error",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("bucket", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("key", Text, nullable=False, server_default=""),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("request_id", Text),
    Index("storage_error_bucket_idx", "bucket", "id"),
)

profile_bucket = Table(
    "profile_bucket",
    metadata,
    Column("profile_id", Text, ForeignKey("profile.id", ondelete="CASCADE"), primary_key=True),
    Column("mounted_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)
