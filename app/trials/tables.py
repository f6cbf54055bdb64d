"""Eval sets and the trial journal, as SQLAlchemy describes them."""

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
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from app.db.metadata import metadata

NOW = text("now()")

eval_set = Table(
    "eval_set",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("index_id", BigInteger, ForeignKey("vector_index.id", ondelete="CASCADE"), nullable=False),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Index(None, "index_id"),
)

eval_query = Table(
    "eval_query",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("eval_id", BigInteger, ForeignKey("eval_set.id", ondelete="CASCADE"), nullable=False),
    Column("chunk_id", BigInteger),
    Column("question", Text),
    Column("vector", ARRAY(REAL)),
    Column("relevant", ARRAY(Text), nullable=False, server_default="{}"),
    Column("model", Text),
    CheckConstraint("num_nonnulls(chunk_id, question, vector) = 1", name="one_question_check"),
    Index(None, "eval_id"),
)

eval_truth = Table(
    "eval_truth",
    metadata,
    Column("query_id", BigInteger, ForeignKey("eval_query.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Text, nullable=False),
    Column("chunk_ids", ARRAY(BigInteger), nullable=False),
    Column("distances", ARRAY(REAL), nullable=False),
)

trial = Table(
    "trial",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("job_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("index_id", BigInteger, nullable=False),
    Column("index_name", Text, nullable=False),
    Column("eval_name", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("vectors", BigInteger, nullable=False),
    Column("m", Integer, nullable=False),
    Column("ef_construction", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("ef_search", Integer, nullable=False),
    Column("k", Integer, nullable=False),
    Column("queries", Integer, nullable=False),
    Column("recall", Double, nullable=False),
    Column("recall_low", Double, nullable=False),
    Column("recall_high", Double, nullable=False),
    Column("p50_us", Double, nullable=False),
    Column("p95_us", Double, nullable=False),
    Column("p99_us", Double, nullable=False),
    Column("build_s", Double, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("measured_by", Text, nullable=False, server_default=""),
    Column("measured_at", DateTime(timezone=True), nullable=False, server_default=NOW),
    Column("eval_version", Text),
    CheckConstraint("kind in ('trial', 'autotune')", name="kind_check"),
    CheckConstraint("type in ('halfvec', 'vector', 'binary')", name="type_check"),
    Index("trial_index_id_id_idx", "index_id", "id"),
    Index(None, "job_id"),
)
