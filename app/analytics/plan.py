"""Pure decisions about analytic queries."""

import re

from app.analytics.models import Limits, QueryRequest
from app.settings import QuerySettings

_WORD = re.compile(r"\w+")


def plan_words(sql: str) -> list[str]:
    """Every word of the query that could name a relation, so that only these are looked up in the catalog.

    Relations' names are plain lower-case words, and the engine folds unquoted ones, so nothing else can name one.
    """
    return sorted({word.lower() for word in _WORD.findall(sql) if len(word) <= 63})


def plan_limits(request: QueryRequest, settings: QuerySettings) -> Limits:
    """The request's limits where they are lower than the server's, else the server's."""
    return Limits(
        max_rows=min(request.max_rows or settings.max_rows, settings.max_rows),
        timeout_ms=min(request.timeout_ms or settings.timeout_ms, settings.timeout_ms),
        memory_bytes=settings.memory_bytes,
    )
