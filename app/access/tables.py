"""Access roles, the deployment's secret and API keys, as SQLAlchemy describes them; psycopg executes."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

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

access_role = Table(
    "access_role",
    metadata,
    Column("name", Text, primary_key=True),
    Column("description", Text, nullable=False, server_default=""),
    Column("clearance", Text, nullable=False),
    Column("default_action", Text, nullable=False, server_default="null"),
    Column("keep_prefix", Integer),
    Column("keep_suffix", Integer),
    Column("can_write", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint(
        "clearance in ('public', 'internal', 'confidential', 'restricted')", name="clearance_check"
    ),
    CheckConstraint(
        "default_action in ('null', 'hash', 'mask', 'mask_alphanum')", name="default_action_check"
    ),
    CheckConstraint(
        "default_action = 'mask' or (keep_prefix is null and keep_suffix is null)", name="keep_with_mask"
    ),
    CheckConstraint(
        "coalesce(keep_prefix, 0) between 0 and 1000 and coalesce(keep_suffix, 0) between 0 and 1000",
        name="keep_range",
    ),
)

secret = Table(
    "secret",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("hmac_inner", LargeBinary, nullable=False),
    Column("hmac_outer", LargeBinary, nullable=False),
    CheckConstraint("only_row", name="only_row_check"),
    CheckConstraint("length(hmac_inner) = 64", name="hmac_inner_check"),
    CheckConstraint("length(hmac_outer) = 64", name="hmac_outer_check"),
)
