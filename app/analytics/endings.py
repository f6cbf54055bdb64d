"""How an answer ends, once its rows are out: in good order, or with what went wrong."""

import msgspec

from app.analytics.answer_models import Ending, FailedLine
from app.analytics.formats import JSON, NDJSON
from app.errors import LakewardError
from app.web.problems import Problem

ENGINE = "datafusion"


def plan_ending(media_type: str, *, rows: int, truncated: bool, duration_ms: float) -> bytes:
    """The bytes after the last row; empty where the encoder wrote them."""
    if media_type != JSON:
        return b""
    return _close(Ending(row_count=rows, truncated=truncated, engine=ENGINE, duration_ms=duration_ms))


def plan_failure(media_type: str, error: LakewardError, *, rows: int, duration_ms: float) -> bytes | None:
    """The bytes that say, after some rows, that the query failed; None where only breaking off says it."""
    if media_type == NDJSON:
        return msgspec.json.encode(FailedLine(_problem(error))) + b"\n"
    if media_type == JSON:
        ending = Ending(
            row_count=rows, truncated=True, engine=ENGINE, duration_ms=duration_ms, error=_problem(error)
        )
        return _close(ending)
    return None


def _close(ending: Ending) -> bytes:
    return b"]," + msgspec.json.encode(ending)[1:]


def _problem(error: LakewardError) -> Problem:
    return Problem(
        type=f"urn:lakeward:problem:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.message,
        code=error.code,
    )
