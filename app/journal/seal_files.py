"""What sealing keeps in the home, where the database's owner does not reach: the key, and how far the chain goes.

`seal.key` (0600): 32 random bytes in hex. Without it no seal can be made or verified; it belongs into the backup of the
home. `seal.head`: id and digest of the last seal. It says when seals were cut off at the end of the chain, which the
chain itself cannot say.
"""

import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from app.db.deployment import write_private
from app.errors import SettingsError


class SealKey(msgspec.Struct, frozen=True):
    """The key, and a name for it that does not give it away."""

    secret: bytes
    id: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"SealKey({self.id})"


class Head(msgspec.Struct, frozen=True):
    """The last seal that was made from this home."""

    id: int
    digest: str


def find_key(home: Path) -> SealKey | None:
    """The home's key, or None when no seal was made from here yet.

    Raises:
        SettingsError: others may read it, or it is no key.
    """
    path = home / "seal.key"
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{path} may be read by others; run: chmod 600 {path}")
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise SettingsError(f"{path} is not 32 bytes in hex; put it back from a backup of the home")
    return SealKey(secret=secret, id=hashlib.sha256(b"lakeward seal key" + secret).hexdigest()[:16])


def create_key(home: Path) -> SealKey:
    """A new key, or the one that another process made at the same moment."""
    new = home / f".seal.key.{secrets.token_hex(4)}"
    write_private(new, secrets.token_hex(32))
    try:
        # unlike a rename, a link never takes the place of a key that is there
        os.link(new, home / "seal.key")
    except FileExistsError:
        pass
    finally:
        new.unlink()
    key = find_key(home)
    assert key is not None
    return key


def find_head(home: Path) -> Head | None:
    """How far the chain went when this home last sealed, or None."""
    try:
        return msgspec.json.decode((home / "seal.head").read_bytes(), type=Head)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as exc:
        raise SettingsError(f"{home / 'seal.head'} cannot be read: {exc}") from exc


def save_head(home: Path, head: Head) -> None:
    """Write it down, unless another process has got further meanwhile."""
    known = find_head(home)
    if known is None or known.id < head.id:
        write_private(home / "seal.head", msgspec.json.encode(head).decode())
