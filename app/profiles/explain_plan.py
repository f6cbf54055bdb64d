"""Pure decisions about what a reader sees: of indexes, with the reason."""

from collections.abc import Sequence

from app.profiles.explain_models import PlannedColumn, PlannedRelation


def explain_index(relation: PlannedRelation, text_columns: Sequence[str]) -> tuple[bool, str]:
    """Whether a reader that gets this of the relation may search an index over its texts, and why.

    As lakeward.install_index_reader decides it: every text must be shown as it was embedded. What a view redacts is
    redacted in the embedded text already; what the clearance redacts is not.
    """
    columns = {column.name: column for column in relation.columns}
    withheld = [name for name in text_columns if not _is_readable(relation, columns.get(name))]
    if withheld:
        reasons = (f"{name}: {_reason(columns.get(name))}" for name in withheld)
        return False, f"it holds texts that are not shown as they are; {'; '.join(reasons)}"
    if relation.kind == "view":
        return True, "it holds the texts as the view shows them"
    return True, "its texts are shown as they are"


def _is_readable(relation: PlannedRelation, column: PlannedColumn | None) -> bool:
    return column is not None and column.shown and (column.action is None or relation.kind == "view")


def _reason(column: PlannedColumn | None) -> str:
    return "the column is not there" if column is None else column.reason
