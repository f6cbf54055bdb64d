"""index, search."""

import json
from typing import Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import duration, excerpt, moment, note, say, show_fields, show_json, show_table
from app.cli.refresh import list_rejected, list_stale, refresh_index
from app.cli.session import YES, Session, confirm, connected
from app.cli.versions import export_index, roll_back, show_versions, swap_model
from app.cli.watch import wait_for_job

Document = dict[str, Any]
FILTER = click.option(
    "--filter", "wanted", metavar="JSON", help='What the rows must have: {"year": {"$gte": 2020}}.'
)
RERANK = click.option("--rerank", is_flag=True, help="Let models.rerank order the hits.")


@click.group()
def index() -> None:
    """Create, list, show and delete vector indexes."""


for command in (refresh_index, list_stale, list_rejected, swap_model, roll_back, show_versions, export_index):
    index.add_command(command)


@index.command("create")
@click.argument("source")
@click.option(
    "--text", "columns", required=True, multiple=True, metavar="COLUMN", help="Embedded; repeat it."
)
@click.option("--name", help="The index's name. [SOURCE_v1]")
@click.option("--size", type=int, help="Characters of a chunk. [1000]")
@click.option("--overlap", type=int, help="Characters that two chunks share. [100]")
@click.option("--model", help="A configured embedding model. [models.embed]")
@click.option("--provider", help="Its provider, when two have a model of this name.")
@click.option("--version", help="Its version, when there are two.")
@click.option(
    "--refresh-policy",
    type=click.Choice(["manual", "on_append", "scheduled"]),
    help="When rows that came or changed are embedded. [as the dataset says]",
)
@click.option(
    "--refresh-s", type=int, metavar="SECONDS", help="How often a scheduled refresh looks for rows."
)
@click.option("--no-wait", is_flag=True, help="Answer with the job that embeds it.")
@connected()
def create_index(
    session: Session,
    source: str,
    columns: tuple[str, ...],
    name: str | None,
    size: int | None,
    overlap: int | None,
    no_wait: bool,
    **fields: Any,
) -> None:
    """Make an index over a dataset and embed its rows; again, to embed what came since."""
    chunk = {key: value for key, value in (("size", size), ("overlap", overlap)) if value is not None}
    accepted = session.api.post(
        "/vectors/index",
        {
            "source": source,
            "text_columns": list(columns),
            "name": name,
            "chunk": chunk or None,
            **fields,
        },
    )
    if no_wait:
        if session.as_json:
            show_json(accepted)
            return
        say(f"index {accepted['index']}: job {accepted['job_id']} embeds it; watch it:")
        say("  " + session.command("job", "show", accepted["job_id"], "--wait"))
        return
    job = wait_for_job(session, accepted["job_id"])
    if session.as_json:
        show_json(job)
        return
    result = job["result"] or {}
    embedded = f"{result.get('rows', 0):,} rows, {result.get('chunks', 0):,} chunks embedded"
    say(f"index {accepted['index']} is ready: {embedded}")


@index.command("list")
@click.option("--source", help="Only those of this dataset.")
@connected()
def list_indexes(session: Session, source: str | None) -> None:
    """The indexes that the key may search."""
    page = session.api.list_all("/vectors/indexes", source=source)
    if session.as_json:
        show_json(page)
        return
    rows = (
        [i["name"], i["source"], i["model_name"], i["documents"], i["chunks"], i["freshness"]["stale_rows"]]
        for i in page["items"]
    )
    show_table(
        ["index", "of", "model", "rows#", "chunks#", "stale#"],
        rows,
        none=f"no indexes yet; make one: {session.command('index', 'create', 'DATASET', '--text', 'COLUMN')}",
    )


@index.command("show")
@click.argument("name")
@connected()
def show_index(session: Session, name: str) -> None:
    """One index, with its HNSW builds."""
    found = session.api.get(f"/vectors/indexes/{segment(name)}")
    if session.as_json:
        show_json(found)
        return
    chunk, freshness = found["chunk"], found["freshness"]
    show_fields(
        [
            ("index", found["name"]),
            ("of", found["source"]),
            ("text", found["text_columns"]),
            ("chunk", f"{chunk['size']} characters, {chunk['overlap']} shared"),
            ("model", f"{found['model_name']} ({found['provider']}, {found['model_version']})"),
            ("dimensions", found["dimensions"]),
            ("rows", found["documents"]),
            ("chunks", found["chunks"]),
            ("stale rows", freshness["stale_rows"]),
            ("embedded", moment(freshness["last_embedded_at"])),
        ]
    )
    say("")
    rows = (
        [
            v["m"],
            v["ef_construction"],
            v["state"],
            v["bytes"],
            None if v["build_ms"] is None else duration(v["build_ms"]),
        ]
        for v in found["variants"]
    )
    show_table(
        ["m#", "ef_construction#", "state", "bytes#", "built in"],
        rows,
        none="no HNSW build yet: searched exactly",
    )


@index.command("delete")
@click.argument("name")
@YES
@connected()
def delete_index(session: Session, name: str, yes: bool) -> None:
    """Delete an index with its chunks; the dataset stays."""
    confirm(f"Delete index {name}?", yes)
    deleted = session.api.delete(f"/vectors/indexes/{segment(name)}")
    if session.as_json:
        show_json(deleted)
        return
    say(f"deleted {deleted['name']} with {deleted['chunks']:,} chunks; {deleted['source']} stays")


@click.command()
@click.argument("profile")
@click.argument("index_name", metavar="INDEX")
@click.argument("text")
@click.option("-k", "k", type=int, default=10, show_default=True, help="How many hits.")
@click.option(
    "--mode", type=click.Choice(["vector", "text", "hybrid"]), help="By meaning, words, or both. [vector]"
)
@FILTER
@RERANK
@connected()
def search(
    session: Session,
    profile: str,
    index_name: str,
    text: str,
    k: int,
    mode: str | None,
    wanted: str | None,
    rerank: bool,
) -> None:
    """Search an index, as the reader of PROFILE."""
    body: Document = {"index": index_name, "query": text, "k": k}
    if mode is not None:
        body["mode"] = mode
    if wanted is not None:
        body["filter"] = read_filter(wanted)
    if rerank:
        body["rerank"] = True
    answer = session.api.post(f"/vectors/profile/{segment(profile)}/search", body)
    if session.as_json:
        show_json(answer)
        return
    rows = ([f"{hit['score']:.3f}", hit["doc_key"], excerpt(hit["text"])] for hit in answer["hits"])
    show_table(["score#", "key", "text"], rows, none="no hits")
    recall = answer.get("recall")
    worth = (
        f", recall@{recall['k']} {recall['recall']:.2f} ({recall['low']:.2f}–{recall['high']:.2f})"
        if recall
        else ""
    )
    say(
        f"{answer['returned']} of {answer['k']} asked for, {answer['method']}{worth}, {answer['model']}, "
        f"{duration(answer['duration_ms'])}",
        "dim",
    )
    if answer["truncated"]:
        note("there are fewer hits here than could be found (truncated)")
    if answer["stale_rows"]:
        note(f"{answer['stale_rows']:,} rows are not embedded yet: run index refresh {answer['index']}")


def read_filter(text: str) -> Document:
    """What --filter says.

    Raises:
        UsageError: it is no JSON object.
    """
    try:
        wanted = json.loads(text)
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        raise click.UsageError('--filter needs a JSON object, as in \'{"state": "open"}\'')
    return wanted
