"""index swap, rollback, versions, export."""

from pathlib import Path
from typing import Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import moment, printable, say, show_json, show_table
from app.cli.part_file import part_file
from app.cli.session import Session, connected
from app.cli.watch import wait_for_job

Document = dict[str, Any]
NO_WAIT = click.option("--no-wait", is_flag=True, help="Answer with the job that does it.")


@click.command("swap")
@click.argument("name")
@click.option("--model", help="The model that the index shall have; it must be configured.")
@click.option("--provider", help="Its provider, when two have a model of this name.")
@click.option("--version", help="Its version, when there are two.")
@click.option("--adapter", help="A registered adapter; its model is known.")
@click.option("--eval", "eval_name", metavar="EVAL", help="Judged by the questions of this eval set.")
@click.option("--min-recall", type=float, help="The new HNSW builds find at least that. [0.9]")
@click.option("--max-loss", type=float, help="nDCG@10 and recall@10 may fall by that. [0.01]")
@click.option("--keep", is_flag=True, help="Keep a version that does not pass the gate.")
@click.option("--force", is_flag=True, help="Change the model whatever the gate says.")
@NO_WAIT
@connected()
def swap_model(session: Session, name: str, eval_name: str | None, no_wait: bool, **fields: Any) -> None:
    """Move index NAME to another model behind a gate; searches go on meanwhile."""
    body = {**fields, "eval": eval_name}
    accepted = session.api.post(f"/vectors/indexes/{segment(name)}/swap", body)
    _follow(session, accepted, no_wait=no_wait)


@click.command("rollback")
@click.argument("name")
@NO_WAIT
@connected()
def roll_back(session: Session, name: str, no_wait: bool) -> None:
    """Make the version of index NAME live again that was live before."""
    accepted = session.api.post(f"/vectors/indexes/{segment(name)}/rollback")
    _follow(session, accepted, no_wait=no_wait)


def _follow(session: Session, accepted: Document, *, no_wait: bool) -> None:
    if no_wait:
        if session.as_json:
            show_json(accepted)
            return
        say(f"index {accepted['index']}: job {accepted['job_id']} changes its model; watch it:")
        say("  " + session.command("job", "show", accepted["job_id"], "--wait"))
        return
    job = wait_for_job(session, accepted["job_id"])
    if session.as_json:
        show_json(job)
        return
    result = job["result"]
    say(f"index {result['index']} answers by {result['model']} ({result['model_version']})")
    if (gate := result["gate"]) is not None:
        _say_gate(gate)
    say("back to the version before: " + session.command("index", "rollback", result["index"]))


def _say_gate(gate: Document) -> None:
    if gate.get("verdict", "passed") != "passed":
        for reason in gate["missed"]:
            say(f"  {printable(reason)}")
    for graph in gate["graphs"]:
        if graph["recall"] is not None:
            say(
                f"  HNSW m={graph['m']}, ef_construction={graph['ef_construction']}, ef_search={graph['ef_search']}: "
                f"recall {graph['recall']:.4f}"
            )
    quality = gate["quality"]
    if quality is None:
        say("  the version before could not be asked, so nothing was compared")
        return
    if quality["agreement"] is not None:
        say(f"  {quality['agreement']:.0%} of ten rows are the same, over {quality['questions']} questions")
    if quality["judged"]:
        say(
            f"  nDCG@10 of {quality['judged']} judged questions: {quality['ndcg_before']:.4f} before, "
            f"{quality['ndcg_after']:.4f} now"
        )


@click.command("versions")
@click.argument("name")
@connected()
def show_versions(session: Session, name: str) -> None:
    """The versions of index NAME, newest first: the live one, and the one it can go back to."""
    found = session.api.get(f"/vectors/indexes/{segment(name)}")["versions"]
    if session.as_json:
        show_json(found)
        return
    rows = (
        [
            v["version"],
            v["state"],
            f"{v['model_name']} ({v['provider']}, {v['model_version']})",
            v["dimensions"],
            v["chunks"],
            v["stale_rows"],
            moment(v["created_at"]),
            "; ".join((v["gate"] or {}).get("missed", [])) or ("passed" if v["gate"] else None),
        ]
        for v in found
    )
    show_table(["version#", "state", "model", "dimensions#", "chunks#", "stale#", "made", "gate"], rows)


@click.command("export")
@click.argument("name")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The Parquet file to write."
)
@click.option("--texts", is_flag=True, help="With the chunks' texts.")
@connected()
def export_index(session: Session, name: str, out: Path, texts: bool) -> None:
    """Write the vectors of index NAME into a Parquet file."""
    path = f"/vectors/indexes/{segment(name)}/export"
    size = 0
    with (
        part_file(out) as file,
        session.api.download(path, {"texts": texts}, "application/vnd.apache.parquet") as response,
    ):
        for piece in response.iter_raw():
            file.write(piece)
            size += len(piece)
    if session.as_json:
        show_json({"file": str(out), "bytes": size})
        return
    say(f"{out}: {size:,} bytes")
