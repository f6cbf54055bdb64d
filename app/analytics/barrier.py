"""Which relations need a barrier, so that a query computes nothing from rows that it may not see.

An optimizer moves conditions, and sometimes what is selected, below the row filter of a view: there they are computed
from hidden rows, too. Mostly that is good, because files are skipped by them. But what fails on a hidden row shows it:
`cast(note as bigint)` has the value in its message, and 1 / (case when note = 'x' then 0 else 1 end) tells by failing
whether it is there. Postgres asks of each function whether it is leakproof. Here everything that is not known never to
fail is taken for something that does, and then the optimizer may not look into the relation (`put_barrier`).
"""

import re
from collections.abc import Mapping
from typing import Any

from datafusion import DataFrame
from datafusion.plan import LogicalPlan

#: Functions that have a value for every argument.
SAFE = {
    "lower", "upper", "character_length", "length", "octet_length", "btrim", "ltrim", "rtrim", "trim",
    "starts_with", "ends_with", "contains", "strpos", "coalesce", "nullif", "date_part", "isnan",
}  # fmt: skip
OPERATORS = {"=", "!=", "<", ">", "<=", ">="}
#: In a plan's text functions are written small, and the types of literals with a capital. Text in quotes is not told
#: from the rest: at worst there is a barrier too many.
_CALL = re.compile(r"([A-Za-z_]\w*)\(")
_OPERATOR = re.compile(r"(?<![^\s(\[])([^\w\s\"'()\[\],.:]+)(?![^\s)\]])")
_ODD_WORD = re.compile(r"\b(?:DIV|SIMILAR)\b|LIKE (?!(?:Large)?Utf8(?:View)?\()")
_SUBQUERY = "<subquery>"
#: More rows than there are.
_ALL = 2**62


def find_exposed(plan: LogicalPlan, hiding: Mapping[str, frozenset[str]]) -> set[str]:
    """Those of `hiding` (relations that hide rows, with the columns their row filter reads) that need a barrier.

    `plan` is the optimized plan of the query over relations that are tables, so all that it computes is the query's.
    """
    exposed: set[str] = set()
    if not _walk(plan, [], [], hiding, exposed):
        return set(hiding)
    return exposed


def put_barrier(frame: DataFrame) -> DataFrame:
    """The same rows; nothing that is done with them is done before all conditions of the frame hold."""
    return frame.limit(_ALL)


def _walk(
    plan: LogicalPlan,
    conditions: list[str],
    selected: list[str],
    hiding: Mapping[str, frozenset[str]],
    exposed: set[str],
) -> bool:
    """Down to the scans, with what may move below each; False when there is something that cannot be walked into.

    What is selected below a condition is part of it.
    """
    text, variant = plan.display(), plan.to_variant()
    if _SUBQUERY in text:
        return False
    match type(variant).__name__:
        case "TableScan":
            name = str(variant.table_name())
            if name in hiding and _is_exposed([*conditions, text], selected, text, hiding[name]):
                exposed.add(name)
        case "Aggregate":
            conditions, selected = [], []
        case "Join":
            conditions, selected = [text], []
        case "Projection" if not any(above.startswith("Filter:") for above in conditions):
            selected = [*selected, text]
        case _:
            conditions = [*conditions, text]
    inputs: list[Any] = plan.inputs()
    return all(_walk(below, conditions, selected, hiding, exposed) for below in inputs)


def _is_exposed(conditions: list[str], selected: list[str], scan: str, filtered: frozenset[str]) -> bool:
    """What is selected is moved below a filter only with all columns of the filter, so the query must read them."""
    if any(map(can_fail, conditions)):
        return True
    return any(map(can_fail, selected)) and bool(filtered) and all(_reads(scan, name) for name in filtered)


def _reads(scan: str, column: str) -> bool:
    known = "projection=" in scan and re.fullmatch(r"\w+", column)
    return not known or re.search(rf"(?<!\w){re.escape(column)}(?!\w)", scan) is not None


def can_fail(text: str) -> bool:
    """Whether a node of a plan, as text, computes something that is not known to have a value for every row."""
    if _ODD_WORD.search(text) or any(found not in OPERATORS for found in _OPERATOR.findall(text)):
        return True
    return any(not _is_safe(name) for name in _CALL.findall(text))


def _is_safe(name: str) -> bool:
    return name in SAFE or (name[0].isupper() and name not in ("CAST", "TRY_CAST"))
