"""What a view may be, decided without a database."""

import pytest

from app.catalog.models import StoredColumn
from app.errors import InvalidInputError, NotFoundError
from app.views.models import RedactionRequest, ViewRequest
from app.views.plan import plan_view

COLUMNS = [
    StoredColumn(name="id", source_name="id", type="bigint"),
    StoredColumn(name="born", source_name="Born", type="date"),
    StoredColumn(name="note", source_name="note", type="text"),
]


def request(**fields: object) -> ViewRequest:
    return ViewRequest(**{"name": "v", "base_dataset": "people", "columns": ["id", "note"], **fields})  # type: ignore[arg-type]


def test_a_view_keeps_the_order_of_its_columns_and_what_was_said_of_them():
    redactions = {
        "note": RedactionRequest(action="mask", keep_prefix=2),
        "id": RedactionRequest(action="hash"),
    }
    plan = plan_view(
        request(columns=["note", "id"], redactions=redactions, row_filter=" born > '2000-01-01' "), COLUMNS
    )
    assert plan.columns == ["note", "id"]
    assert plan.redactions == {"id": {"action": "hash"}, "note": {"action": "mask", "keep_prefix": 2}}
    assert plan.filter is not None and plan.filter.columns == ("born",)


def test_a_filter_of_blanks_is_none():
    assert plan_view(request(row_filter="  "), COLUMNS).filter is None


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"columns": ["id", "x"]}, NotFoundError, "it has id, born, note"),
        ({"columns": ["id", "id"]}, InvalidInputError, "twice"),
        ({"redactions": {"born": RedactionRequest(action="null")}}, InvalidInputError, "does not list"),
        ({"redactions": {"x": RedactionRequest(action="null")}}, NotFoundError, "'x'"),
        (
            {"redactions": {"note": RedactionRequest(action="truncate_to_year")}},
            InvalidInputError,
            "does not fit",
        ),
        ({"row_filter": "x = 1"}, InvalidInputError, "x"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(fields, error, says):
    with pytest.raises(error, match=says):
        plan_view(request(**fields), COLUMNS)


def test_a_dataset_without_columns_has_nothing_to_show():
    with pytest.raises(InvalidInputError, match="ingest a file"):
        plan_view(request(), [])
