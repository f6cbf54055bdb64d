"""What comes after the rows makes a document of them, or says what went wrong."""

import json

import pytest

from app.analytics.endings import plan_ending, plan_failure
from app.analytics.formats import ARROW, CSV, JSON, NDJSON, PARQUET
from app.errors import TimeoutExceededError

BEGUN = b'{"columns":[],"rows":[[1],[2]'


def test_json_ends_with_what_is_known_at_the_end() -> None:
    document = json.loads(BEGUN + plan_ending(JSON, rows=2, truncated=True, duration_ms=1.5))
    assert list(document) == ["columns", "rows", "row_count", "truncated", "engine", "duration_ms"]
    assert (document["row_count"], document["truncated"], document["duration_ms"]) == (2, True, 1.5)


def test_json_ends_with_an_error() -> None:
    failure = plan_failure(JSON, TimeoutExceededError("too slow"), rows=2, duration_ms=1)
    assert failure is not None
    document = json.loads(BEGUN + failure)
    assert document["truncated"] is True and document["row_count"] == 2
    assert (document["error"]["code"], document["error"]["status"]) == ("timeout", 504)
    assert document["error"]["detail"] == "too slow"


def test_ndjson_ends_with_a_line() -> None:
    failure = plan_failure(NDJSON, TimeoutExceededError("too slow"), rows=2, duration_ms=1)
    assert failure is not None and failure.endswith(b"}\n")
    assert list(json.loads(failure)) == ["error"]


@pytest.mark.parametrize("media_type", [ARROW, CSV, PARQUET])
def test_the_others_have_no_place_for_it(media_type: str) -> None:
    assert plan_failure(media_type, TimeoutExceededError("too slow"), rows=2, duration_ms=1) is None
    assert plan_ending(media_type, rows=2, truncated=True, duration_ms=1) == b""
