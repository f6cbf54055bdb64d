import pytest

from app.errors import ConflictError, InvalidNameError
from app.moves.plan import check_source, plan_copy_name


def test_a_copy_says_where_its_rows_are():
    assert plan_copy_name("people", None, "bucket") == "people_parquet"
    assert plan_copy_name("people", None, "table") == "people_table"
    assert plan_copy_name("people", "other", "table") == "other"
    with pytest.raises(InvalidNameError):
        plan_copy_name("p" * 48, None, "bucket")


def test_a_table_is_not_made_a_table():
    check_source("d", "bucket", "table", has_columns=True)
    check_source("d", "bucket", "bucket", has_columns=True)
    with pytest.raises(ConflictError, match="in Postgres already"):
        check_source("d", "table", "table", has_columns=True)
    with pytest.raises(ConflictError, match="no columns yet"):
        check_source("d", "table", "bucket", has_columns=False)
