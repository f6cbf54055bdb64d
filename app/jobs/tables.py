"""Jobs, as SQLAlchemy describes them. The queue's own tables are procrastinate's, in schema `jobs`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.metadata import metadata

job = Table(
    "job",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("args", JSONB, nullable=False, server_default="{}"),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger),
    Column("unit", Text, nullable=False, server_default="rows"),
    Column("rate", Double),
    Column("eta_s", Double),
    Column("error", JSONB),
    Column("result", JSONB),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lock", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default="false"),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    CheckConstraint("state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state_check"),
    Index("job_created_at_idx", text("created_at desc"), text("id desc")),
)
