"""Pure decisions about safe views."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.catalog.models import StoredColumn
from app.catalog.plan import plan_name
from app.errors import InvalidInputError, NotFoundError
from app.views.filter import plan_filter
from app.views.filter_types import Filter
from app.views.models import ViewRequest
from app.views.redaction import plan_redaction


class ViewPlan(msgspec.Struct, frozen=True):
    """A view that can be: its filter as a checked tree, its redactions as they are kept."""

    name: str
    columns: list[str]
    filter: Filter | None
    redactions: dict[str, dict[str, Any]]
    description: str


def plan_view(request: ViewRequest, base_columns: Sequence[StoredColumn]) -> ViewPlan:
    """The view, when the request fits the columns of its dataset.

    Raises:
        InvalidNameError: the name cannot be used.
        NotFoundError: a column is not there.
        InvalidInputError: a column is named twice, a redaction does not fit, or the row filter is not in the grammar.
    """
    name = plan_name(request.name, "view")
    types = {column.name: column.type for column in base_columns}
    if not types:
        raise InvalidInputError(
            f"dataset {request.base_dataset!r} has no columns yet; ingest a file into it first"
        )
    _check_columns(request, types)
    text = (request.row_filter or "").strip()
    return ViewPlan(
        name=name,
        columns=request.columns,
        filter=plan_filter(text, types) if text else None,
        redactions={
            column: _plan_redaction(request, column, types[column]) for column in sorted(request.redactions)
        },
        description=request.description,
    )


def _check_columns(request: ViewRequest, types: Mapping[str, str]) -> None:
    missing = [column for column in [*request.columns, *request.redactions] if column not in types]
    if missing:
        raise NotFoundError(
            f"dataset {request.base_dataset!r} has no column {', '.join(repr(c[:60]) for c in missing[:20])}; "
            f"it has {', '.join(list(types)[:50])}"
        )
    if len(set(request.columns)) != len(request.columns):
        raise InvalidInputError("columns names a column twice")
    unlisted = [column for column in request.redactions if column not in request.columns]
    if unlisted:
        raise InvalidInputError(
            f"redactions names {', '.join(repr(c) for c in unlisted[:20])}, which the view does not list in columns; "
            "what is not listed is not shown at all"
        )


def _plan_redaction(request: ViewRequest, column: str, column_type: str) -> dict[str, Any]:
    wanted = request.redactions[column]
    plan_redaction(column, column_type, wanted.action, wanted.keep_prefix, wanted.keep_suffix)
    kept: dict[str, Any] = msgspec.to_builtins(wanted)
    return kept
