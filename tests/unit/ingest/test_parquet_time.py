"""Times in Parquet that Postgres does not hold are found."""

import pyarrow as pa

from app.ingest.parquet_time import (
    as_readable,
    find_outside_calendar,
    has_nanoseconds,
    is_exact_in_microseconds,
)


def test_exactness_looks_at_every_value() -> None:
    assert has_nanoseconds(pa.timestamp("ns")) and not has_nanoseconds(pa.timestamp("us"))
    assert is_exact_in_microseconds(pa.array([1_000, None, -2_000], pa.timestamp("ns")))
    assert is_exact_in_microseconds(pa.array([None], pa.timestamp("ns")))
    assert not is_exact_in_microseconds(pa.array([1_000, -1], pa.timestamp("ns")))


def test_the_calendar_has_two_ends_and_no_opinion_on_null() -> None:
    days = pa.array([-719_161, -719_163, None, 2_932_895, 2_932_897], pa.int32()).cast(pa.date32())
    assert find_outside_calendar(days) == [1, 4]
    assert find_outside_calendar(pa.array([2**63 - 1, -(2**63)], pa.timestamp("ns"))) == []
    assert find_outside_calendar(pa.array([2**50], pa.timestamp("s"))) == [0]
    assert find_outside_calendar(pa.array(["9999999"])) == []


def test_nanoseconds_become_text_inside_lists_and_structs() -> None:
    kind = pa.list_(pa.struct([("at", pa.timestamp("ns")), ("n", pa.int64())]))
    assert as_readable(kind) == pa.list_(pa.struct([("at", pa.string()), ("n", pa.int64())]))
    assert as_readable(pa.duration("ns")) == pa.int64()
