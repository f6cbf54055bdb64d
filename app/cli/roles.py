"""role."""

from typing import Any

import rich_click as click

from app.cli.client import LONG_S, segment
from app.cli.output import say, show_fields, show_json, show_table
from app.cli.session import YES, Session, confirm, connected

Document = dict[str, Any]


@click.group()
def role() -> None:
    """Create, list, show and delete access roles: who sees columns of which sensitivity as they are."""


@role.command("create")
@click.argument("name")
@click.option(
    "--clearance",
    required=True,
    metavar="LEVEL",
    help="public, internal, confidential or restricted: up to here columns are shown as they are.",
)
@click.option(
    "--default-action",
    metavar="ACTION",
    help="What becomes of what is above it: null, hash, mask or mask_alphanum. [null]",
)
@click.option("--keep-prefix", type=int, help="mask: characters kept before. [0]")
@click.option("--keep-suffix", type=int, help="mask: characters kept after. [0]")
@click.option("--can-write", is_flag=True, help="May tombstone rows by SQL.")
@click.option("--description", help="Who has it.")
@connected()
def create_role(
    session: Session,
    name: str,
    clearance: str,
    default_action: str | None,
    keep_prefix: int | None,
    keep_suffix: int | None,
    can_write: bool,
    description: str | None,
) -> None:
    """Create an access role, or make one that is there what is asked for: what is left out gets its default."""
    created = session.api.post(
        "/access/roles",
        {
            "name": name,
            "clearance": clearance,
            "default_action": default_action,
            "keep_prefix": keep_prefix,
            "keep_suffix": keep_suffix,
            "can_write": can_write or None,
            "description": description,
        },
        read_s=LONG_S,
    )
    if session.as_json:
        show_json(created)
        return
    _show(created)


def describe_action(found: Document) -> str:
    """What becomes of a value, for a person: an action with what it keeps, or `as it is`."""
    action = found.get("action") or found.get("default_action")
    if action is None:
        return "as it is"
    if action != "mask":
        return {"null": "empty (null)", "mask_alphanum": "masked **-**"}.get(action, str(action))
    kept = [found.get("keep_prefix") or 0, found.get("keep_suffix") or 0]
    return "mask" if kept == [0, 0] else f"mask, {kept[0]} kept before and {kept[1]} after"


def _show(found: Document) -> None:
    show_fields(
        [
            ("role", found["name"] + (" (built in)" if found["built_in"] else "")),
            ("description", found["description"]),
            ("clearance", found["clearance"]),
            ("above it", describe_action(found)),
            ("may write", found["can_write"]),
            ("profiles", found["profiles"]),
        ]
    )


@role.command("list")
@connected()
def list_roles(session: Session) -> None:
    """The access roles that the key may see."""
    page = session.api.list_all("/access/roles")
    if session.as_json:
        show_json(page)
        return
    rows = (
        [r["name"], r["clearance"], describe_action(r), r["can_write"], r["profiles"]] for r in page["items"]
    )
    show_table(["role", "clearance", "what is above it", "may write", "profiles#"], rows)


@role.command("show")
@click.argument("name")
@connected()
def show_role(session: Session, name: str) -> None:
    """One access role."""
    found = session.api.get(f"/access/roles/{segment(name)}")
    if session.as_json:
        show_json(found)
        return
    _show(found)


@role.command("delete")
@click.argument("name")
@YES
@connected()
def delete_role(session: Session, name: str, yes: bool) -> None:
    """Delete an access role that no profile has; the built-in ones stay."""
    path = f"/access/roles/{segment(name)}"
    confirm(f"Delete access role {name}?", yes)
    deleted = session.api.delete(path)
    if session.as_json:
        show_json(deleted)
        return
    say(f"deleted {deleted['name']}")
