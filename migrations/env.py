"""Alembic's environment: runs on the connection that app.db.migrate hands over, inside its transaction."""

from alembic import context

import app.access.tables
import app.analytics.tables
import app.catalog.tables
import app.db.tables
import app.delta.tables
import app.jobs.tables
import app.journal.tables
import app.profiles.tables
import app.storage.tables
import app.tombstones.tables
import app.trials.tables
import app.vectors.tables
import app.versions.tables
import app.views.tables  # noqa: F401  each import registers its tables in the one metadata
from app.db.metadata import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run migrations with: lakeward migrate")

context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table="schema_version",
    version_table_schema="lakeward",
    include_schemas=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
