"""profile explain, profile diff: what a reader sees and what a change would do to it, to be taken in at once."""

import json
from pathlib import Path
from typing import Any

import rich_click as click
from rich.text import Text

from app.cli.client import LONG_S, segment
from app.cli.output import say, show_fields, show_json, show_table
from app.cli.roles import describe_action
from app.cli.session import Session, connected

Document = dict[str, Any]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PATTERNS = {
    "null": "empty (null)",
    "hash": "hash 3f9a…",
    "mask_alphanum": "masked **-**",
    "truncate_to_year": "year only",
    "truncate_to_month": "month only",
}


def paint(column: Document | None) -> Text:
    """What a reader gets of a column: a word that can be told apart at a glance, coloured where there is a terminal."""
    if column is None or not column["shown"]:
        return Text("not there", style="red")
    action: str | None = column["action"]
    if action is None:
        return Text("as it is", style="green")
    if action == "mask":
        return Text(f"masked {_mask(column['keep_prefix'] or 0, column['keep_suffix'] or 0)}", style="yellow")
    return Text(_PATTERNS.get(action, action), style="yellow")


def _mask(prefix: int, suffix: int) -> str:
    """Letters where characters are kept, up to three of them, and stars between."""
    before = _LETTERS[:prefix] if prefix <= 3 else f"{_LETTERS[:3]}…({prefix})"
    after = _LETTERS[-suffix:] if 0 < suffix <= 3 else f"…({suffix}){_LETTERS[-3:]}" if suffix else ""
    return f"{before}****{after}"


@click.command("explain")
@click.argument("profile_id", metavar="ID")
@connected()
def explain_profile(session: Session, profile_id: str) -> None:
    """Say what a profile sees, column by column, and why."""
    found = session.api.get(f"/catalog/profiles/{segment(profile_id)}/explain")
    if session.as_json:
        show_json(found)
        return
    hnsw = found["hnsw_config"]
    show_fields(
        [
            ("profile", found["profile"]),
            ("description", found["description"]),
            ("access role", _access(found["access"])),
            ("may write", found["access"]["can_write"]),
            ("keys", found["keys"]),
            (
                "HNSW",
                f"m {hnsw['m']}, ef_construction {hnsw['ef_construction']}, ef_search {hnsw['ef_search']}",
            ),
        ]
    )
    for relation in found["relations"]:
        say("")
        say(_heading(relation), "bold")
        rows = [[c["name"], paint(c), c["type"], c["reason"]] for c in relation["columns"]]
        show_table(["column", "shown", "type", "why"], rows, none="no columns yet, so nothing is there")
    if not found["relations"]:
        say("bound to nothing, so it sees nothing", "yellow")
    if found["indexes"]:
        say("")
        rows = [[i["name"], i["source"], _searchable(i), i["reason"]] for i in found["indexes"]]
        show_table(["index", "of", "searches it", "why"], rows)


def _access(access: Document) -> str:
    return (
        f"{access['access_role']}: columns up to {access['clearance']} as they are, "
        f"what is above: {describe_action(access)}"
    )


def _heading(relation: Document) -> str:
    of = f" of {relation['base_dataset']}" if relation["base_dataset"] else ""
    only = f", those where {relation['row_filter']}" if relation["row_filter"] else ""
    return f"{relation['name']}: {relation['kind']}{of}, {_rows(relation['rows'])}{only}"


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _searchable(index: Document) -> Text:
    return Text("yes", style="green") if index["searchable"] else Text("no", style="red")


def _read_levels(
    _: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """DATASET.COLUMN=LEVEL; a dataset's name has no dot, a column's may have both."""
    levels: dict[str, dict[str, str]] = {}
    for value in values:
        name, _equals, level = value.rpartition("=")
        dataset, _dot, column = name.partition(".")
        if not (dataset and column and level):
            raise click.BadParameter(
                f"{value!r}: write DATASET.COLUMN=LEVEL, for example people.salary=restricted",
                param=parameter,
            )
        levels.setdefault(dataset, {})[column] = level
    return levels


def _read_view(_: click.Context, parameter: click.Parameter, path: Path | None) -> Document | None:
    if path is None:
        return None
    try:
        document = json.loads(path.read_text())
    except ValueError as exc:
        raise click.BadParameter(f"{path} is not JSON: {exc}", param=parameter) from exc
    if not isinstance(document, dict):
        raise click.BadParameter(f"{path} is not a view as POST /catalog/views takes it", param=parameter)
    return document


@click.command("diff")
@click.argument("profile_id", metavar="ID")
@click.option("--bind", multiple=True, metavar="NAME", help="A relation it would read; repeat it.")
@click.option("--unbind", multiple=True, metavar="NAME", help="One it would no longer read; repeat it.")
@click.option("--role", "access_role", metavar="ROLE", help="The access role it would have.")
@click.option(
    "--classify",
    "columns",
    multiple=True,
    metavar="DATASET.COLUMN=LEVEL",
    callback=_read_levels,
    help="A column's sensitivity as it would be; repeat it.",
)
@click.option("--clearance", metavar="LEVEL", help="The clearance that its access role would have.")
@click.option(
    "--default-action", metavar="ACTION", help="With --clearance: what becomes of what is above it."
)
@click.option(
    "--view",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_read_view,
    help="A JSON file with a view as it would be: name, base_dataset, columns, row_filter, redactions.",
)
@connected()
def diff_profile(
    session: Session,
    profile_id: str,
    bind: tuple[str, ...],
    unbind: tuple[str, ...],
    access_role: str | None,
    columns: dict[str, dict[str, str]],
    clearance: str | None,
    default_action: str | None,
    view: Document | None,
) -> None:
    """Say what a change would show to a profile or hide from it, with its rows counted. Nothing is changed."""
    if default_action and not clearance:
        raise click.UsageError(
            "--default-action goes with --clearance: together they are the role as it would be"
        )
    role = {"clearance": clearance, **({"default_action": default_action} if default_action else {})}
    body = {
        "bind": list(bind) or None,
        "unbind": list(unbind) or None,
        "access_role": access_role,
        "columns": columns or None,
        "role": role if clearance else None,
        "view": view,
    }
    found = session.api.post(f"/catalog/profiles/{segment(profile_id)}/diff", body, read_s=LONG_S)
    if session.as_json:
        show_json(found)
        return
    _show_diff(found)


def _show_diff(found: Document) -> None:
    before, after = found["access"]["before"], found["access"]["after"]
    if before != after:
        show_fields([("access role", f"{_access(before)}"), ("would be", f"{_access(after)}")])
        if before["can_write"] != after["can_write"]:
            say(f"it could {'' if after['can_write'] else 'no longer '}write", "yellow")
    for relation in found["relations"]:
        _show_change(relation)
    for index in found["indexes_gained"]:
        say(f"+ it could search {index['name']} of {index['source']}: {index['reason']}", "green")
    for index in found["indexes_lost"]:
        say(f"- it could no longer search {index['name']} of {index['source']}: {index['reason']}", "red")
    if found["unchanged"]:
        say(f"the same as now: {', '.join(found['unchanged'])}", "dim")
    if not (found["relations"] or found["indexes_gained"] or found["indexes_lost"]):
        say(f"{found['profile']} would see the same as now")
    say("nothing was changed", "dim")


def _show_change(relation: Document) -> None:
    sign, style = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}[
        relation["change"]
    ]
    say("")
    say(f"{sign} {relation['name']} ({relation['kind']}) {relation['change']}: {_counts(relation)}", style)
    if relation["change"] != "added" and relation["change"] != "removed":
        if relation["row_filter_before"] != relation["row_filter_after"]:
            say(f"  rows: {relation['row_filter_before'] or 'all'} → {relation['row_filter_after'] or 'all'}")
        rows = [
            [c["name"], paint(c["before"]), paint(c["after"]), (c["after"] or {}).get("reason")]
            for c in relation["columns"]
        ]
        show_table(["column", "now", "then", "why"], rows, none="the columns stay as they are")
        return
    side = "after" if relation["change"] == "added" else "before"
    rows = [[c["name"], paint(c[side]), c[side]["type"], c[side]["reason"]] for c in relation["columns"]]
    heading = "then" if side == "after" else "now"
    show_table(["column", heading, "type", "why"], rows, none="it has no columns yet")


def _counts(relation: Document) -> str:
    rows = relation["rows"]
    if relation["change"] == "added":
        return _rows(rows["after"])
    if relation["change"] == "removed":
        return f"{_rows(rows['before'])} would be gone"
    if not rows["newly_seen"] and not rows["no_longer_seen"]:
        return f"{_rows(rows['after'])} as now"
    return (
        f"{_rows(rows['before'])} → {_rows(rows['after'])}, "
        f"{rows['newly_seen']:,} newly seen, {rows['no_longer_seen']:,} no longer"
    )
