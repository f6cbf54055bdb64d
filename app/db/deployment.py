"""A deployment: one database of Lakeward, the names of its own roles, and the service login's credentials."""

import json
import os
import secrets
from pathlib import Path

import msgspec

#: Floors below which start-up refuses: SET-only memberships came with 16, parallel build fixes with pgvector 0.8.4.
MIN_SERVER_VERSION = 160000
MIN_VECTOR_VERSION = (0, 8, 4)


class Deployment(msgspec.Struct, frozen=True):
    """The row of `lakeward.deployment`, and the revision its schema is at."""

    prefix: str
    profile_prefix: str
    owner_role: str
    gate_role: str
    steward_role: str
    service_role: str
    ext_schema: str
    schema_version: str = ""


class Credentials(msgspec.Struct, frozen=True):
    """How the app logs in."""

    user: str
    password: str

    def __repr__(self) -> str:
        """Without the password."""
        return f"Credentials({self.user})"


def create_credentials(user: str) -> Credentials:
    """New credentials for `user`, with 32 random bytes as the password."""
    return Credentials(user=user, password=secrets.token_urlsafe(32))


def find_credentials(home: Path) -> Credentials | None:
    """The service login's credentials as `home/service.json` has them, or None."""
    try:
        return msgspec.json.decode((home / "service.json").read_bytes(), type=Credentials)
    except FileNotFoundError:
        return None


def save_credentials(home: Path, credentials: Credentials) -> None:
    """Write `home/service.json`, mode 0600, whole or not at all."""
    home.mkdir(parents=True, exist_ok=True)
    write_private(home / "service.json", json.dumps(msgspec.to_builtins(credentials)))


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read; a crash leaves the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
