"""Relations, datasets, their columns and files, as SQLAlchemy describes them; psycopg executes."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.metadata import metadata

NOW = text("now()")

relation = Table(
    "relation",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    UniqueConstraint("id", "name"),
    CheckConstraint("kind in ('dataset', 'view')", name="kind_check"),
)

dataset = Table(
    "dataset",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("home", Text, nullable=False),
    Column("row_key", Text),
    Column("description", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default=""),
    Column("sensitivity", Text, nullable=False, server_default="internal"),
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    Column("lineage", JSONB, nullable=False, server_default="[]"),
    Column("row_count", BigInteger, nullable=False, server_default="0"),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("last_embedded_at", DateTime(timezone=True)),
    Column("embedding_stale_since", DateTime(timezone=True)),
    Column("embedding_refresh_policy", Text, nullable=False, server_default="manual"),
    Column("embedding_refresh_s", Integer, nullable=False, server_default="3600"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    ForeignKeyConstraint(["id", "name"], ["relation.id", "relation.name"], ondelete="CASCADE"),
    CheckConstraint("embedding_refresh_s between 60 and 31536000", name="embedding_refresh_s_check"),
    CheckConstraint("home in ('table', 'bucket')", name="home_check"),
    CheckConstraint(
        "embedding_refresh_policy in ('manual', 'on_append', 'scheduled')",
        name="embedding_refresh_policy_check",
    ),
)

dataset_column = Table(
    "dataset_column",
    metadata,
    Column("dataset_id", BigInteger, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("source_name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("sensitivity", Text, nullable=False, server_default="internal"),
    Column("pii", Text),
    UniqueConstraint("dataset_id", "name"),
    CheckConstraint(
        "sensitivity in ('public', 'internal', 'confidential', 'restricted', 'unclassified')",
        name="sensitivity_check",
    ),
)

dataset_file = Table(
    "dataset_file",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("dataset_id", BigInteger, ForeignKey("dataset.id", ondelete="CASCADE"), nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("loaded_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("loaded_by", Text, nullable=False, server_default=""),
    UniqueConstraint("dataset_id", "content_sha256"),
    CheckConstraint("disposition in ('append', 'replace', 'merge')", name="disposition_check"),
)

rejected_row = Table(
    "rejected_row",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("file_id", BigInteger, ForeignKey("dataset_file.id", ondelete="CASCADE"), nullable=False),
    Column("line", BigInteger),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Index(None, "file_id"),
)
