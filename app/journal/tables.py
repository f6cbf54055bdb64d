"""Journal, seals and audit, as SQLAlchemy describes them; psycopg executes. Partitions are in schema `record`."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    Index,
    LargeBinary,
    Sequence,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from app.db.metadata import metadata


class Xid8(UserDefinedType[int]):
    """Postgres' 64-bit transaction id, which SQLAlchemy does not know."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "xid8"


CLOCK = text("clock_timestamp()")

#: So that what is described can be compared with what is there.
ischema_names["xid8"] = Xid8

journal_ids = Sequence("journal_id_seq", metadata=metadata)
audit_ids = Sequence("audit_entry_id_seq", metadata=metadata)

journal = Table(
    "journal",
    metadata,
    Column("id", BigInteger, nullable=False, server_default=journal_ids.next_value()),
    Column("at", DateTime(timezone=True), nullable=False, server_default=CLOCK),
    Column("kind", Text, nullable=False),
    Column("dataset", Text(collation="C")),
    Column("entity", Text(collation="C")),
    Column("field", Text),
    Column("old", JSONB),
    Column("new", JSONB),
    Column("actor", Text, nullable=False, server_default=""),
    Column("profile", Text),
    Column("model", Text),
    Column("source", Text, nullable=False, server_default=""),
    Column("workspace", Text),
    Column("request_id", Text),
    Column("transaction", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    Index("journal_entity_idx", "dataset", "entity", "id"),
    Index("journal_transaction_idx", "transaction", "id"),
    postgresql_partition_by="range (at)",
)

journal_seal = Table(
    "journal_seal",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("from_transaction", Xid8, nullable=False),
    Column("from_id", BigInteger, nullable=False),
    Column("to_transaction", Xid8, nullable=False),
    Column("to_id", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("salts", LargeBinary, nullable=False),
    Column("payloads", LargeBinary, nullable=False),
    Column("marks", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column(
        "id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        server_default=audit_ids.next_value(),
    ),
    Column("at", DateTime(timezone=True), primary_key=True, server_default=CLOCK),
    Column("principal", Text, nullable=False, server_default=""),
    Column("login", Text, nullable=False, server_default=text("session_user")),
    Column("profile", Text),
    Column("model", Text),
    Column("door", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("relations", ARRAY(Text), nullable=False, server_default="{}"),
    Column("arguments_sha256", Text),
    Column("rows", BigInteger),
    Column("hits", ARRAY(Text)),
    Column("duration_ms", Double),
    Column("outcome", Text, nullable=False),
    Column("request_id", Text),
    postgresql_partition_by="range (at)",
)
