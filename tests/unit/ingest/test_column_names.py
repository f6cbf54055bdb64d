"""Names of columns: kept when usable, made usable when not, never lost or doubled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidFileError
from app.ingest.column_names import check_column_count, plan_column_names


@pytest.mark.parametrize(
    ("source", "planned"),
    [
        (["id", "Name of person", "select", "größe"], ("id", "Name of person", "select", "größe")),
        (["", " ", "x"], ("column_1", "column_2", "x")),
        (["a", "a", "A"], ("a", "a_2", "A_3")),
        (["a", "a_2", "a"], ("a", "a_2", "a_3")),
        (["a", "a", "a_2"], ("a", "a_3", "a_2")),
        (["a\x00b", "c\td"], ("a_b", "c_d")),
        (["  padded "], ("padded",)),
    ],
)
def test_names_stay_or_become_usable(source: list[str], planned: tuple[str, ...]) -> None:
    assert plan_column_names(source) == planned


def test_a_long_name_is_cut_at_a_character_and_told_apart_by_a_hash() -> None:
    one, two = plan_column_names(["é" * 60 + "1", "é" * 60 + "2"])
    assert one != two
    assert all(len(name.encode()) <= 63 and name.startswith("é" * 25) for name in (one, two))


@given(st.lists(st.text(max_size=80) | st.sampled_from(["a", "A", "a_2", "", "column_1"]), max_size=30))
def test_every_plan_is_distinct_and_fits_postgres(source: list[str]) -> None:
    names = plan_column_names(source)
    assert len(names) == len(source)
    assert len({name.casefold() for name in names}) == len(names)
    assert all(0 < len(name.encode()) <= 63 and "\x00" not in name for name in names)
    assert plan_column_names(source) == names


def test_more_columns_than_a_table_holds_are_refused() -> None:
    check_column_count(1_500)
    with pytest.raises(InvalidFileError, match="1,501 columns"):
        check_column_count(1_501)
