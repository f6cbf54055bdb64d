"""tombstone and undo."""

from typing import Any

import rich_click as click

from app.cli.client import LONG_S, segment
from app.cli.output import say, show_json
from app.cli.session import YES, Session, confirm, connected
from app.errors import InvalidInputError

Document = dict[str, Any]
KEYS = click.argument("keys", nargs=-1, metavar="KEY…")
KEYS_FROM = click.option(
    "--keys-from", type=click.File("r"), metavar="FILE", help="A key a line; - is standard input."
)


def all_keys(keys: tuple[str, ...], keys_from: Any) -> list[str]:
    """The keys that were named, and those in the file.

    Raises:
        InvalidInputError: there is none.
    """
    lines = [line.rstrip("\r\n") for line in keys_from] if keys_from else []
    found = [*keys, *(line for line in lines if line)]
    if not found:
        raise InvalidInputError("name at least one key, or send them with --keys-from FILE")
    return found


def _row_key(session: Session, dataset: str) -> str:
    found = session.api.get(f"/catalog/datasets/by-name/{segment(dataset)}")["row_key"]
    if found is None:
        raise InvalidInputError(
            f"dataset {dataset!r} has no row key, so its rows cannot be named; give it one first"
        )
    return str(found)


def _say_missing(answer: Document) -> None:
    if answer["missing"]:
        shown = ", ".join(answer["missing_keys"][:10])
        more = " …" if answer["missing"] > 10 else ""
        say(f"{answer['missing']:,} not there: {shown}{more}")


@click.command()
@click.argument("dataset")
@KEYS
@KEYS_FROM
@click.option("--reason", default="", help="Kept with the tombstone, for admins.")
@YES
@connected()
def tombstone(
    session: Session, dataset: str, keys: tuple[str, ...], keys_from: Any, reason: str, yes: bool
) -> None:
    """Delete rows by their keys, in every door at once; `lakeward undo` takes it back until they are purged."""
    values = all_keys(keys, keys_from)
    row_key = _row_key(session, dataset)
    confirm(f"Delete {len(values):,} row{'s' * (len(values) != 1)} of {dataset} everywhere?", yes)
    answer = session.api.post(
        f"/catalog/datasets/by-name/{segment(dataset)}/tombstone",
        {"row_key_column": row_key, "row_key_values": values, "reason": reason},
        read_s=LONG_S,
    )
    if session.as_json:
        show_json(answer)
        return
    already = f", {answer['already']:,} had one already" if answer["already"] else ""
    say(f"{answer['tombstoned']:,} rows of {dataset} have a tombstone now{already}", "bold")
    _say_missing(answer)
    if answer["tombstoned"]:
        say(f"take it back: {session.command('undo', dataset, *values[:3])}", "dim")


@click.command()
@click.argument("dataset")
@KEYS
@KEYS_FROM
@connected()
def undo(session: Session, dataset: str, keys: tuple[str, ...], keys_from: Any) -> None:
    """Take tombstones back: the rows return, all of them or none; what was purged stays deleted."""
    values = all_keys(keys, keys_from)
    answer = session.api.post(
        f"/catalog/datasets/by-name/{segment(dataset)}/tombstone/undo",
        {"row_key_column": _row_key(session, dataset), "row_key_values": values},
        read_s=LONG_S,
    )
    if session.as_json:
        show_json(answer)
        return
    say(
        f"{answer['restored']:,} rows of {dataset} are back; searches find them once the index is refreshed",
        "bold",
    )
    if answer["purged"]:
        say(f"{answer['purged']:,} were purged and cannot come back")
    _say_missing(answer)
