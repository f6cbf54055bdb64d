"""Secrets of providers and buckets: settings hold a reference (`env:NAME`, `file:/path`), never the secret itself."""

import os
import re
import stat
from pathlib import Path

from app.errors import SettingsError

#: Longer than any key or token in use; a reference to some other file is refused before it is read whole.
MAX_SECRET_BYTES = 8192


def check_secret_ref(reference: str) -> None:
    """Accept a reference that `resolve_secret` can follow; nothing is read.

    Raises:
        SettingsError: neither `env:NAME` nor `file:/absolute/path`; not repeated, since it may be a secret.
    """
    if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\0]+", reference):
        raise SettingsError(
            "secret_ref must be env:NAME or file:/absolute/path (a file of mode 0600), not the secret itself"
        )


def read_secret(reference: str) -> str:
    """The secret's text, read now, so that a new one needs no restart; surrounding white space is removed.

    Raises:
        SettingsError: naming the reference: it is not there, is empty, or is a file that others may read.
    """
    check_secret_ref(reference)
    kind, _, name = reference.partition(":")
    secret = (os.environ.get(name, "") if kind == "env" else _read_private(Path(name))).strip()
    if not secret:
        raise SettingsError(f"the secret {reference} is not set or empty")
    return secret


def resolve_secret(reference: str) -> str:
    """A secret that is one token, as `read_secret`.

    Raises:
        SettingsError: as there, or it cannot stand in an HTTP header.
    """
    secret = read_secret(reference)
    if not re.fullmatch(r"[!-~]+", secret):
        raise SettingsError(
            f"the secret {reference} has spaces or characters outside ASCII; it must be one token"
        )
    return secret


def _read_private(path: Path) -> str:
    """The text of a regular file that is ours alone; checked on the open file, so it cannot be swapped."""
    try:
        # O_NONBLOCK: opening a FIFO would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _check_private(path, os.fstat(descriptor))
            return file.read(MAX_SECRET_BYTES).decode()
    except OSError as exc:
        raise SettingsError(f"the secret file {path} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"the secret file {path} is not text") from exc


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SECRET_BYTES:
        raise SettingsError(
            f"the secret file {path} must be a regular file of at most {MAX_SECRET_BYTES} bytes"
        )
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise SettingsError(
            f"the secret file {path} must belong to the user that runs Lakeward and be closed to others: "
            f"chmod 600 {path}"
        )
