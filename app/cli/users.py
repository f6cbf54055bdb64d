"""user: logins of the database for psql."""

import sys
from datetime import datetime

import rich_click as click

from app.cli.client import segment
from app.cli.output import moment, note, say, show_fields, show_json, show_table
from app.cli.session import YES, Session, confirm, connected

MIN_PASSWORD = 12


@click.group()
def user() -> None:
    """Create, list and delete power users: people who read as a profile in psql."""


@user.command("create")
@click.argument("name")
@click.option("--profile", metavar="ID", required=True, help="What the login is, and all that it may read.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin. [one is generated]")
@click.option(
    "--valid-until", type=click.DateTime(), help="When the login ends, in this machine's time. [it does not]"
)
@connected()
def create_user(
    session: Session, name: str, profile: str, password_stdin: bool, valid_until: datetime | None
) -> None:
    """Create a login for psql. A generated password is shown once."""
    password = _read_password() if password_stdin else None
    until = valid_until.astimezone().isoformat() if valid_until else None
    created = session.api.post(
        "/access/users", {"name": name, "profile": profile, "password": password, "valid_until": until}
    )
    if session.as_json:
        show_json(created)
        return
    note(f"user {created['name']} reads as profile {created['profile']}; connect with:")
    note(f'  psql "{created["url"]}"')
    if created["password"] is not None:
        note("the password is shown this once:")
        say(created["password"])


def _read_password() -> str:
    """The first line of stdin, without its end."""
    try:
        password = sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError as exc:
        raise click.UsageError("the password on stdin is not UTF-8") from exc
    if len(password) < MIN_PASSWORD:
        raise click.UsageError(f"the password on stdin must have at least {MIN_PASSWORD} characters")
    return password


@user.command("list")
@connected()
def list_users(session: Session) -> None:
    """All power users of this database."""
    page = session.api.list_all("/access/users")
    if session.as_json:
        show_json(page)
        return
    rows = ([u["name"], u["profile"], moment(u["valid_until"]), u["sessions"]] for u in page["items"])
    show_table(["name", "reads as", "valid until", "sessions#"], rows)


@user.command("delete")
@click.argument("name")
@YES
@connected()
def delete_user(session: Session, name: str, yes: bool) -> None:
    """Delete a login; its open sessions are ended at once."""
    confirm(f"Delete user {name}?", yes)
    deleted = session.api.delete(f"/access/users/{segment(name)}")
    if session.as_json:
        show_json(deleted)
        return
    show_fields([("deleted", deleted["name"]), ("sessions ended", deleted["sessions"])])
