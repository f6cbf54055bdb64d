"""profile."""

from typing import Any

import rich_click as click

from app.cli.client import LONG_S, segment
from app.cli.output import duration, get_console, moment, say, show_fields, show_json, show_table
from app.cli.seen import diff_profile, explain_profile
from app.cli.session import YES, Session, confirm, connected
from app.errors import UnavailableError

Document = dict[str, Any]


@click.group()
def profile() -> None:
    """Create, list, show, explain, activate and delete profiles."""


profile.add_command(explain_profile)
profile.add_command(diff_profile)


@profile.command("create")
@click.argument("profile_id", metavar="ID")
@click.option("--bind", "bindings", multiple=True, metavar="NAME", help="A relation it may read; repeat it.")
@click.option("--description", help="What the profile is for.")
@click.option("--m", type=int, help="HNSW: neighbours of a node. [16]")
@click.option("--ef-construction", type=int, help="HNSW: candidates while building. [80]")
@click.option("--ef-search", type=int, help="HNSW: candidates while searching. [30]")
@click.option("--access-role", metavar="ROLE", help="Its clearance. [agent]")
@click.option("--ollama-name", metavar="NAME", help="The model that reads as this profile.")
@click.option("--embed-model", metavar="NAME", help="The embedding model that it is for.")
@click.option(
    "--vector-backend",
    type=click.Choice(["pgvector", "lance"]),
    help="What proposes the hits of its searches. [pgvector]",
)
@connected()
def create_profile(
    session: Session,
    profile_id: str,
    bindings: tuple[str, ...],
    description: str | None,
    m: int | None,
    ef_construction: int | None,
    ef_search: int | None,
    access_role: str | None,
    ollama_name: str | None,
    embed_model: str | None,
    vector_backend: str | None,
) -> None:
    """Create a profile, or make one that is there what is asked for: what is left out gets its default."""
    hnsw = {"m": m, "ef_construction": ef_construction, "ef_search": ef_search}
    created = session.api.post(
        "/catalog/profiles",
        {
            "id": profile_id,
            "bound_datasets": list(bindings),
            "description": description,
            "hnsw_config": {name: value for name, value in hnsw.items() if value is not None},
            "access_role": access_role,
            "ollama_name": ollama_name,
            "embed_model": embed_model,
            "vector_backend": vector_backend,
        },
    )
    if session.as_json:
        show_json(created)
        return
    _show(created)
    say(f"give it a key: {session.command('key', 'create', profile_id, '--profile', profile_id)}", "dim")


def create_words(profile: Document) -> list[str]:
    """What makes the profile as it is here, option for option: what were left out would get its default."""
    hnsw = profile["hnsw_config"]
    options = {
        "--description": profile["description"],
        "--m": hnsw["m"],
        "--ef-construction": hnsw["ef_construction"],
        "--ef-search": hnsw["ef_search"],
        "--access-role": profile["access_role"],
        "--ollama-name": profile["ollama_name"],
        "--embed-model": profile["embed_model"],
        "--vector-backend": profile["vector_backend"],
    }
    words = ["profile", "create", profile["id"]]
    for name in profile["bound_datasets"]:
        words += ["--bind", name]
    for option, value in options.items():
        if value not in (None, ""):
            words += [option, str(value)]
    return words


def _show(found: Document) -> None:
    hnsw = found["hnsw_config"]
    show_fields(
        [
            ("profile", found["id"]),
            ("description", found["description"]),
            ("may read", found["bound_datasets"] or "nothing"),
            ("access role", found["access_role"]),
            ("model", found["ollama_name"]),
            (
                "HNSW",
                f"m {hnsw['m']}, ef_construction {hnsw['ef_construction']}, ef_search {hnsw['ef_search']}",
            ),
            ("vectors", f"searched by {found['vector_backend']}"),
            ("in Postgres", f"role {found['role_name']}, schema {found['schema_name']}"),
            ("created", moment(found["created_at"])),
        ]
    )


@profile.command("list")
@connected()
def list_profiles(session: Session) -> None:
    """The profiles that the key may see."""
    page = session.api.list_all("/catalog/profiles")
    if session.as_json:
        show_json(page)
        return
    rows = (
        [
            p["id"],
            p["bound_datasets"],
            p["access_role"],
            p["vector_backend"],
            p["hnsw_config"]["ef_search"],
            moment(p["created_at"]),
        ]
        for p in page["items"]
    )
    show_table(
        ["profile", "may read", "access role", "backend", "ef_search#", "created"],
        rows,
        none=f"no profiles yet; make one: {session.command('profile', 'create', 'ID', '--bind', 'DATASET')}",
    )


@profile.command("show")
@click.argument("profile_id", metavar="ID")
@connected()
def show_profile(session: Session, profile_id: str) -> None:
    """One profile."""
    found = session.api.get(f"/catalog/profiles/{segment(profile_id)}")
    if session.as_json:
        show_json(found)
        return
    _show(found)


@profile.command("activate")
@click.argument("profile_id", metavar="ID")
@connected()
def activate_profile(session: Session, profile_id: str) -> None:
    """Build and warm the profile's indexes; exit code 1 when one of them fails."""
    path = f"/vectors/profile/{segment(profile_id)}/activate"
    with get_console(stderr=True).status("building and warming"):
        activation = session.api.post(path, read_s=LONG_S)
    if session.as_json:
        show_json(activation)
    else:
        _show_activation(activation)
    if activation["failures"]:
        failed = "; ".join(f"{f['binding']}: {f['error']}" for f in activation["failures"])
        raise UnavailableError(f"not every index is ready: {failed}")


def _show_activation(activation: Document) -> None:
    rows = (
        [
            w["index"],
            w["source"],
            w["vectors"],
            f"m {w['variant']['m']}, ef {w['variant']['ef_construction']}"
            if w["variant"]
            else "no graph: scanned",
            duration(w["build_ms"]) if w["built"] else "was there",
            duration(w["warm_ms"]),
        ]
        for w in activation["warmed"]
    )
    show_table(["index", "of", "vectors#", "variant", "built", "warmed"], rows, none="no indexes to warm")
    say(f"{activation['profile']} is ready, in {duration(activation['duration_ms'])}")


@profile.command("delete")
@click.argument("profile_id", metavar="ID")
@YES
@connected()
def delete_profile(session: Session, profile_id: str, yes: bool) -> None:
    """Delete a profile with its role, schema, bindings, logins and keys; the datasets stay."""
    path = f"/catalog/profiles/{segment(profile_id)}"
    confirm(f"Delete profile {profile_id}, and revoke its keys?", yes)
    deleted = session.api.delete(path)
    if session.as_json:
        show_json(deleted)
        return
    keys = deleted["revoked_keys"]
    say(f"deleted {deleted['id']}" + (f"; {keys} key{'s' * (keys != 1)} revoked" if keys else ""))
