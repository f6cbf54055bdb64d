"""What killed processes left: load tables that became nobody's, and uploads that no job waits for."""

import time
from pathlib import Path

from app.db.database import Database
from app.db.queries import load_queries
from app.ingest import statements

QUERIES = load_queries(__file__)


async def sweep_leftovers(database: Database, uploads: Path) -> int:
    """Drop and remove them; how many. Only for the one process that works on this database and home."""
    async with database.owner().begin() as transaction:
        tables = await transaction.fetch_values(QUERIES["leftovers"], {"before": int(time.time()) + 1})
        for table in tables:
            await transaction.execute(statements.drop_table(table))
        awaited = set(await transaction.fetch_values(QUERIES["awaited_uploads"]))
    files = [path for path in uploads.glob("*.upload") if str(path) not in awaited]
    for path in files:
        path.unlink(missing_ok=True)
    return len(tables) + len(files)
