"""Registered adapters and what versions were judged by; versions of an index are rows of lakeward.vector_index."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.metadata import metadata

index_gate = Table(
    "index_gate",
    metadata,
    Column("index_id", BigInteger, ForeignKey("vector_index.id", ondelete="CASCADE"), primary_key=True),
    Column("gate", JSONB, nullable=False),
)

model_adapter = Table(
    "model_adapter",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("provider", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("matrix", LargeBinary, nullable=False),
    Column("version", Text, nullable=False),
    Column("trained_on", Integer, nullable=False),
    Column("held_out", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("dimensions between 1 and 4000", name="dimensions_check"),
)
