"""API keys, as SQLAlchemy describes them; psycopg executes."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, LargeBinary, Table, Text, text

from app.db.metadata import metadata

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("profile_id", Text, ForeignKey("profile.id", ondelete="CASCADE")),
    Column("model", Text),
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("revoked_at", DateTime(timezone=True)),
    CheckConstraint("kind in ('admin', 'reader')", name="kind_check"),
    CheckConstraint("length(secret_sha256) = 32", name="secret_sha256_check"),
    CheckConstraint("(kind = 'reader') = (profile_id is not null)", name="reader_has_profile"),
)
