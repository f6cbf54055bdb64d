"""Profiles and their bindings, as SQLAlchemy describes them; psycopg executes."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from app.db.metadata import metadata

NOW = text("now()")

profile = Table(
    "profile",
    metadata,
    Column("id", Text, primary_key=True),
    Column("description", Text, nullable=False, server_default=""),
    Column("ollama_name", Text),
    Column("m", Integer, nullable=False, server_default="16"),
    Column("ef_construction", Integer, nullable=False, server_default="80"),
    Column("ef_search", Integer, nullable=False, server_default="30"),
    Column("embed_model", Text),
    Column("access_role", Text, ForeignKey("access_role.name"), nullable=False, server_default="agent"),
    Column("vector_backend", Text, nullable=False, server_default="pgvector"),
    Column("role_name", Text(collation="C"), nullable=False, unique=True),
    Column("schema_name", Text, nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("created_by", Text, nullable=False, server_default=""),
    Index(None, "access_role"),
    CheckConstraint("id ~ '^[a-z0-9][a-z0-9_-]{0,39}$'", name="id_check"),
    CheckConstraint("m between 2 and 100", name="m_check"),
    CheckConstraint("ef_construction between 4 and 1000", name="ef_construction_check"),
    CheckConstraint("ef_search between 1 and 1000", name="ef_search_check"),
    CheckConstraint("vector_backend in ('pgvector', 'lance')", name="vector_backend_check"),
    CheckConstraint("ef_construction >= 2 * m", name="ef_construction_covers_m"),
)

binding = Table(
    "binding",
    metadata,
    Column("profile_id", Text, ForeignKey("profile.id", ondelete="CASCADE"), primary_key=True),
    Column("relation_id", BigInteger, ForeignKey("relation.id", ondelete="CASCADE"), primary_key=True),
    Column("role_name", Text(collation="C"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("id", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("base_id", BigInteger, ForeignKey("dataset.id", ondelete="CASCADE")),
    Column("made_of", Text),
    Index("binding_role_name_idx", "role_name", "base_id", "relation_id"),
    Index(None, "relation_id"),
    Index(None, "base_id"),
)

shown_column = Table(
    "shown_column",
    metadata,
    Column("binding_id", BigInteger, ForeignKey("binding.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role_name", Text(collation="C"), nullable=False),
    Column("profile_id", Text, nullable=False),
    Column("relation_id", BigInteger, nullable=False),
    Column("base_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("action", Text),
    Column("reason", Text, nullable=False),
    Index("shown_column_role_name_idx", "role_name", "relation_id", "name"),
)
