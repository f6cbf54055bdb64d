"""Tombstones and erasures, as SQLAlchemy describes them; psycopg executes."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.db.metadata import metadata

NOW = text("now()")

tombstone = Table(
    "tombstone",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("dataset_id", BigInteger, nullable=False),
    Column("row_key_column", Text, nullable=False),
    Column("key_value", Text),
    Column("key_hash", LargeBinary, nullable=False),
    Column("image", JSONB),
    Column("reason", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False, server_default=""),
    Column("profile", Text),
    Column("request_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("undone_at", DateTime(timezone=True)),
    Column("purged_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("dataset_id", "id"),
    Index(
        "tombstone_active_idx",
        "dataset_id",
        "key_hash",
        "row_key_column",
        unique=True,
        postgresql_where=text("undone_at is null"),
    ),
)

erasure = Table(
    "erasure",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("dataset", Text, nullable=False),
    Column("dataset_id", BigInteger),
    Column("row_key_values", ARRAY(Text)),
    Column("key_hashes", ARRAY(LargeBinary), nullable=False, server_default="{}"),
    Column("keys", BigInteger, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("dry_run", Boolean, nullable=False, server_default=text("false")),
    Column("job_id", Uuid),
    Column("step", Text, nullable=False, server_default=""),
    Column("found", JSONB, nullable=False, server_default="{}"),
    Column("receipt", JSONB),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("finished_at", DateTime(timezone=True)),
    Index("erasure_created_at_idx", text("created_at desc"), text("id desc")),
)
