"""An upload on its way to disk: hashed while it is copied, whole or not at all."""

import asyncio
import hashlib
import os
import secrets
from pathlib import Path
from typing import IO

import msgspec

from app.errors import DiskFullError

CHUNK_BYTES = 1024 * 1024


class Upload(msgspec.Struct, frozen=True):
    """A file in the home's uploads folder, its size in bytes and the SHA-256 of its content."""

    path: Path
    size: int
    content_sha256: str


async def save_upload(source: IO[bytes], folder: Path) -> Upload:
    """Copy an upload into `folder`; whoever gets it removes it.

    Raises:
        DiskFullError: there is no room for it; nothing is left of it.
    """
    return await asyncio.to_thread(_save, source, folder)


def _save(source: IO[bytes], folder: Path) -> Upload:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{secrets.token_hex(12)}.upload"
    digest, size = hashlib.sha256(), 0
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            source.seek(0)
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
    except OSError as exc:
        path.unlink(missing_ok=True)
        raise DiskFullError(f"the upload cannot be kept: {exc.strerror}", retry_after_s=60) from exc
    return Upload(path=path, size=size, content_sha256=digest.hexdigest())
