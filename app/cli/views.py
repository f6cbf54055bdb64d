"""view."""

import re
from typing import Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import moment, say, show_fields, show_json, show_table
from app.cli.session import YES, Session, confirm, connected

Document = dict[str, Any]
_MASK = re.compile(r"mask(?::(\d+),(\d+))?")


@click.group()
def view() -> None:
    """Create, list, show and delete safe views."""


def _read_redactions(
    _: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Document]:
    """COLUMN=ACTION; mask may say what it keeps: mask:2,3 keeps two characters before and three after."""
    redactions: dict[str, Document] = {}
    for value in values:
        column, equals, action = value.partition("=")
        if not equals or not column or not action:
            raise click.BadParameter(
                f"{value!r}: write COLUMN=ACTION, for example email=hash", param=parameter
            )
        kept = _MASK.fullmatch(action)
        redactions[column] = {"action": "mask" if kept else action}
        if kept and kept[1] is not None:
            redactions[column] |= {"keep_prefix": int(kept[1]), "keep_suffix": int(kept[2])}
    return redactions


@view.command("create")
@click.argument("name")
@click.argument("base_dataset", metavar="DATASET")
@click.option("--column", "columns", multiple=True, required=True, metavar="NAME", help="Shown; repeat it.")
@click.option("--where", "row_filter", metavar="FILTER", help="Rows it shows, such as \"country = 'SE'\".")
@click.option(
    "--redact",
    "redactions",
    multiple=True,
    metavar="COLUMN=ACTION",
    callback=_read_redactions,
    help="null, hash, mask:2,3 (characters kept before and after), mask_alphanum, truncate_to_year, truncate_to_month.",
)
@click.option("--description", help="What the view is for.")
@connected()
def create_view(
    session: Session,
    name: str,
    base_dataset: str,
    columns: tuple[str, ...],
    row_filter: str | None,
    redactions: dict[str, Document],
    description: str | None,
) -> None:
    """Create a safe view of a dataset, or make one that is there what is asked for."""
    document = {
        "name": name,
        "base_dataset": base_dataset,
        "columns": [part.strip() for column in columns for part in column.split(",") if part.strip()],
        "row_filter": row_filter,
        "redactions": redactions,
    }
    created = session.api.post(
        "/catalog/views", document | ({"description": description} if description else {})
    )
    if session.as_json:
        show_json(created)
        return
    _show(created)
    bind = session.command("profile", "create", "PROFILE", "--bind", name)
    say(f"give it to a reader: {bind}", "dim")


def _show(found: Document) -> None:
    show_fields(
        [
            ("view", found["name"]),
            ("of", found["base_dataset"]),
            ("description", found["description"]),
            ("rows", found["row_filter"] or ("all" if found["base_dataset"] else "")),
            ("created", moment(found["created_at"])),
        ]
    )
    say("")
    rows = [[column, _describe(found["redactions"].get(column))] for column in found["columns"]]
    show_table(["column", "shown"], rows, none="no columns")


def _describe(redaction: Document | None) -> str:
    if redaction is None:
        return "as it is"
    kept = [str(redaction.get(side, 0)) for side in ("keep_prefix", "keep_suffix")]
    return (
        f"mask, {kept[0]} kept before and {kept[1]} after"
        if redaction["action"] == "mask"
        else redaction["action"]
    )


@view.command("list")
@connected()
def list_views(session: Session) -> None:
    """The safe views that the key may see."""
    page = session.api.list_all("/catalog/views")
    if session.as_json:
        show_json(page)
        return
    rows = (
        [v["name"], v["base_dataset"], len(v["columns"]), sorted(v["redactions"]), v["row_filter"]]
        for v in page["items"]
    )
    create = session.command("view", "create", "NAME", "DATASET", "--column", "COLUMN")
    show_table(["view", "of", "columns#", "redacted", "rows"], rows, none=f"no views yet; make one: {create}")


@view.command("show")
@click.argument("name")
@connected()
def show_view(session: Session, name: str) -> None:
    """One safe view."""
    found = session.api.get(f"/catalog/views/{segment(name)}")
    if session.as_json:
        show_json(found)
        return
    _show(found)


@view.command("delete")
@click.argument("name")
@YES
@connected()
def delete_view(session: Session, name: str, yes: bool) -> None:
    """Delete a safe view and every reader's; the dataset stays."""
    confirm(f"Delete view {name}, and take it from every profile?", yes)
    deleted = session.api.delete(f"/catalog/views/{segment(name)}")
    if session.as_json:
        show_json(deleted)
        return
    say(f"deleted {deleted['name']}")
    if deleted["unbound_profiles"]:
        say(f"it was taken from the profiles {', '.join(deleted['unbound_profiles'])}")
