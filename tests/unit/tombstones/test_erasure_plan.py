"""What of a subject can be searched for, and the order of the steps."""

import numpy as np
import pytest

from app.tombstones.erasure_plan import (
    STEPS,
    list_row_bytes,
    next_step,
    plan_pieces,
    plan_text_patterns,
    plan_vector_patterns,
    read_lsn,
    read_segment,
    step_before,
)


def test_the_steps_follow_each_other_and_a_dry_run_stops_before_it_changes_anything() -> None:
    assert [next_step(step, dry_run=False) for step in ("", *STEPS)] == [*STEPS, None]
    assert [next_step(step, dry_run=True) for step in ("", "collect", "scan_before")] == [
        "collect",
        "scan_before",
        None,
    ]
    assert [next_step(step_before(step), dry_run=False) for step in STEPS] == list(STEPS)
    assert STEPS.index("purge") < STEPS.index("wait") < STEPS.index("rewrite") < STEPS.index("turn_over_wal")


def test_a_row_is_searched_by_its_texts_and_not_by_its_numbers_and_dates() -> None:
    types = {"a": "text", "n": "bigint", "d": "date", "j": "jsonb", "l": "text[]", "b": "bytea"}
    row = {
        "a": "Ängström",
        "n": 123456789,
        "d": "1985-02-03",
        "j": {"name": ["x", {"deep": "y"}], "n": 1},
        "l": ["one", None],
        "b": "\\x00ff",
        "gone": "of a column that is gone",
    }
    found = list(list_row_bytes(row, types))
    assert found == ["Ängström".encode(), b"x", b"y", b"one", b"\x00\xff", b"of a column that is gone"]


def test_a_long_value_is_searched_by_pieces_from_its_beginning_to_its_end() -> None:
    value = " ".join(f"word{n}" for n in range(2000)).encode()
    pieces = plan_pieces(value)
    assert len(pieces) == 12 and all(piece in value and len(piece) == 64 for piece in pieces)
    assert value.startswith(pieces[0]) and value.endswith(pieces[-1])
    assert plan_pieces(b"exactly what it is") == [b"exactly what it is"]


@pytest.mark.parametrize("value", [b"", b"Smith", b"      ", b"----------", b"ababababab"])
def test_what_could_be_anything_is_not_searched(value: bytes) -> None:
    assert plan_text_patterns("text", [value]) == []


def test_a_vector_is_searched_in_all_its_forms_each_once() -> None:
    vector = np.arange(1, 17, dtype=np.float32)
    unit = vector / np.linalg.norm(vector)
    forms = plan_vector_patterns(vector, unit, unit)
    assert [pattern.kind for pattern in forms] == ["fp16", "fp16_normalised", "float32", "float32_normalised"]
    assert forms[0].value == vector.astype("<f2").tobytes()
    assert [pattern.kind for pattern in plan_vector_patterns(unit, unit, unit)] == ["fp16", "float32"]
    almost_nothing = np.zeros(384, dtype=np.float32)
    almost_nothing[5] = 1
    assert plan_vector_patterns(almost_nothing, almost_nothing, almost_nothing) == []


def test_a_segment_is_where_its_name_says() -> None:
    size = 16 * 1024**2
    assert read_segment("00000001000000A2000000FF", size) == read_lsn("A2/FF000000")
    assert read_segment("000000010000000000000003", size) == read_lsn("0/3000000")
    for other in ("archive_status", "00000001.history", "000000010000000000000003.partial"):
        assert read_segment(other, size) is None
