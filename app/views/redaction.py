"""Redactions of columns: which actions there are, what fits which type, and the type that comes out.

What each action does with NULL, with short values and with characters is written in sql/20_redaction_sql.sql, which
Postgres compiles; `datafusion` does the same for the analytic engine.
"""

from typing import Any, Literal, get_args

import msgspec

from app.errors import InvalidInputError

Action = Literal["null", "hash", "mask", "mask_alphanum", "truncate_to_year", "truncate_to_month"]
ACTIONS: tuple[str, ...] = get_args(Action)
MAX_KEPT = 1000

_TEXTUAL = ("text", "bigint", "numeric", "date")
_MOMENTS = ("date", "timestamp", "timestamptz")
_FITS: dict[str, tuple[str, ...]] = {
    "hash": _TEXTUAL,
    "mask": _TEXTUAL,
    "mask_alphanum": _TEXTUAL,
    "truncate_to_year": _MOMENTS,
    "truncate_to_month": _MOMENTS,
}


class Redaction(msgspec.Struct, frozen=True):
    """A redaction that was checked; `type` is the column's, `result_type` the redacted value's."""

    column: str
    type: str
    action: Action
    keep_prefix: int
    keep_suffix: int
    result_type: str


def result_type(column_type: str, action: str | None) -> str | None:
    """The type of a redacted value, or None when the action does not fit the type; as lakeward.redacted_type says it.

    Without an action (None or `none`) the type stays.
    """
    if action in (None, "none", "null"):
        return column_type
    if column_type not in _FITS.get(action or "", ()):
        return None
    return "text" if column_type in _TEXTUAL and action in ("hash", "mask", "mask_alphanum") else column_type


def plan_redaction(
    column: str, column_type: str, action: str, keep_prefix: Any = None, keep_suffix: Any = None
) -> Redaction:
    """The checked redaction of one column. `keep_*` are numbers of characters, 0 when they are left out.

    Raises:
        InvalidInputError: there is no such action, it does not fit the type, or `keep_*` are given where they mean
            nothing, or are not whole numbers from 0 to 1000.
    """
    if action not in ACTIONS:
        raise InvalidInputError(
            f"column {column}: there is no redaction {str(action)[:40]!r}; there are {', '.join(ACTIONS)}"
        )
    outcome = result_type(column_type, action)
    if outcome is None:
        fitting = [name for name in ACTIONS if result_type(column_type, name)]
        raise InvalidInputError(
            f"column {column}: the redaction {action} does not fit the type {column_type}; use {' or '.join(fitting)}"
        )
    for name, value in (("keep_prefix", keep_prefix), ("keep_suffix", keep_suffix)):
        _require_kept(column, action, name, value)
    return Redaction(
        column=column,
        type=column_type,
        action=action,  # type: ignore[arg-type]  # it is one of ACTIONS
        keep_prefix=keep_prefix or 0,
        keep_suffix=keep_suffix or 0,
        result_type=outcome,
    )


def _require_kept(column: str, action: str, name: str, value: Any) -> None:
    if value is None:
        return
    if action != "mask":
        raise InvalidInputError(f"column {column}: {name} goes with the redaction mask, not with {action}")
    if type(value) is not int or not 0 <= value <= MAX_KEPT:
        raise InvalidInputError(f"column {column}: {name} must be a whole number from 0 to {MAX_KEPT}")
