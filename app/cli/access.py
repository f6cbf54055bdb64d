"""key, whoami."""

import rich_click as click

from app.cli.client import segment
from app.cli.output import moment, note, say, show_fields, show_json, show_table
from app.cli.session import YES, Session, confirm, connected


@click.group()
def key() -> None:
    """Create, list and revoke API keys."""


@key.command("create")
@click.argument("name")
@click.option("--profile", metavar="ID", help="A reader's key, for this profile.")
@click.option("--admin", is_flag=True, help="A key that may do everything.")
@click.option("--model", help="The model that uses it, for the record.")
@connected()
def create_key(session: Session, name: str, profile: str | None, admin: bool, model: str | None) -> None:
    """Create a key: a reader's with --profile, an admin's with --admin. It is shown once."""
    if admin == (profile is not None):
        raise click.UsageError("either --profile ID or --admin says whose key it is")
    kind = "admin" if admin else "reader"
    created = session.api.post(
        "/access/keys", {"name": name, "kind": kind, "profile": profile, "model": model}
    )
    if session.as_json:
        show_json(created)
        return
    note(f"key {created['id']} for {profile or 'an admin'}; it is shown this once:")
    say(created["key"])


@key.command("list")
@connected()
def list_keys(session: Session) -> None:
    """All keys, without their secrets."""
    page = session.api.list_all("/access/keys")
    if session.as_json:
        show_json(page)
        return
    rows = (
        [
            k["id"],
            k["name"],
            k["profile"] or k["kind"],
            k["model"],
            moment(k["created_at"]),
            moment(k["revoked_at"]),
        ]
        for k in page["items"]
    )
    show_table(["id", "name", "reads as", "model", "created", "revoked"], rows)


@key.command("revoke")
@click.argument("key_id", metavar="ID")
@YES
@connected()
def revoke_key(session: Session, key_id: str, yes: bool) -> None:
    """Revoke a key: it stops working at once."""
    confirm(f"Revoke key {key_id}?", yes)
    revoked = session.api.delete(f"/access/keys/{segment(key_id)}")
    if session.as_json:
        show_json(revoked)
        return
    say(f"revoked {revoked['id']} ({revoked['name']})")


@click.command()
@connected()
def whoami(session: Session) -> None:
    """Say who the key belongs to, and what it may read."""
    who = session.api.get("/whoami")
    if session.as_json:
        show_json(who)
        return
    show_fields(
        [
            ("principal", who["principal"]),
            ("kind", who["kind"]),
            ("profile", who["profile"]),
            ("access role", who["access_role"]),
            ("model", who["model"]),
            (
                "may read",
                who["relations"]
                or ("everything" if who["kind"] == "admin" and not who["profile"] else "nothing"),
            ),
            ("server", session.api.address.url),
        ]
    )
