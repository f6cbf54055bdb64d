"""The optional extra `lance`: whether it is installed, and what to do when it is not."""

import importlib
import importlib.util
import os
from typing import Any

from app.errors import InvalidInputError, UnavailableError

WAY_OUT = "pip install 'lakeward[lance]'"


def is_installed() -> bool:
    """Whether lancedb can be imported; does not import it."""
    return importlib.util.find_spec("lancedb") is not None


def require_installed() -> None:
    """Nothing, when a profile may search by Lance here.

    Raises:
        InvalidInputError: the extra is not installed.
    """
    if not is_installed():
        raise InvalidInputError(
            f"vector_backend 'lance' needs an extra that is not installed here: {WAY_OUT}; or leave it at 'pgvector'"
        )


def load_lancedb() -> Any:
    """The module lancedb, which is large: it is imported by the first who needs it.

    Raises:
        UnavailableError: it is not installed.
    """
    # it says on stderr that a new copy is not there yet
    os.environ.setdefault("LANCEDB_LOG", "error")
    try:
        return importlib.import_module("lancedb")
    except ImportError as exc:
        raise UnavailableError(f"Lance is not installed in this process: {WAY_OUT}") from exc
