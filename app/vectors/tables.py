"""Vector indexes and their variants, as SQLAlchemy describes them; the chunks are in schema `vec`, a pair per index."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
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

vector_index = Table(
    "vector_index",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("relation_id", BigInteger, ForeignKey("relation.id"), nullable=False),
    Column("text_columns", ARRAY(Text), nullable=False),
    Column("chunk_size", Integer, nullable=False),
    Column("chunk_overlap", Integer, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("row_key", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("last_embedded_at", DateTime(timezone=True)),
    Column("table_name", Text(collation="C"), nullable=False, unique=True),
    Column("state", Text, nullable=False, server_default="live"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("retired_at", DateTime(timezone=True)),
    Column("lance", JSONB),
    Column("refresh_policy", Text),
    Column("refresh_s", Integer),
    CheckConstraint("dimensions between 1 and 4000", name="dimensions_check"),
    CheckConstraint("state in ('live', 'shadow', 'retired')", name="state_check"),
    CheckConstraint("(state = 'live') = (strpos(name, '~') = 0)", name="live_name_check"),
    CheckConstraint("refresh_policy in ('manual', 'on_append', 'scheduled')", name="refresh_policy_check"),
    CheckConstraint("refresh_s between 60 and 31536000", name="refresh_s_check"),
    Index(None, "relation_id"),
    Index("vector_index_family_idx", text("split_part(name, '~', 1)")),
)

index_variant = Table(
    "index_variant",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("index_id", BigInteger, ForeignKey("vector_index.id", ondelete="CASCADE"), nullable=False),
    Column("m", Integer, nullable=False),
    Column("ef_construction", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="building"),
    Column("build_ms", Double),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("measured", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    UniqueConstraint("index_id", "m", "ef_construction"),
    CheckConstraint("state in ('building', 'ready', 'failed')", name="state_check"),
)

index_reader = Table(
    "index_reader",
    metadata,
    Column("index_id", BigInteger, ForeignKey("vector_index.id", ondelete="CASCADE"), primary_key=True),
    Column("binding_id", BigInteger, ForeignKey("binding.id", ondelete="CASCADE"), primary_key=True),
    Column("role_name", Text(collation="C"), nullable=False),
    Index(None, "index_id"),
    Index("index_reader_role_name_idx", "role_name", "index_id"),
)
