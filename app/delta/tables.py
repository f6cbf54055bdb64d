"""Where bucket datasets are, as SQLAlchemy describes it; psycopg executes."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.db.metadata import metadata

bucket_dataset = Table(
    "bucket_dataset",
    metadata,
    Column(
        "dataset_id",
        BigInteger,
        ForeignKey("dataset.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("bucket", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("delta_version", BigInteger),
    Column("partition_columns", ARRAY(Text), nullable=False, server_default="{}"),
    Column("arrow_schema", LargeBinary),
    Column("files", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("format in ('delta', 'parquet')", name="format_check"),
    CheckConstraint("format = 'delta' or delta_version is null", name="check"),
)

bucket_folder = Table(
    "bucket_folder",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("location", Text, primary_key=True),
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)
