"""The first admin key: in the home's admin.key, mode 0600, the key alone."""

from pathlib import Path

from app.access.models import KeyRequest
from app.access.service import KeyAuthenticator, create_key
from app.db.database import Database
from app.db.deployment import write_private
from app.errors import UnauthenticatedError


async def ensure_admin_key(database: Database, path: Path) -> None:
    """The file holds an admin key that works: the one that is in it, or a new one."""
    if path.exists():
        try:
            await KeyAuthenticator(database).authenticate(path.read_text().strip())
            return
        except UnauthenticatedError:
            pass  # another database's key, or one that was revoked
    key = await create_key(database.steward(), KeyRequest(name="admin", kind="admin"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, key.key + "\n")
