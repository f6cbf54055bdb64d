"""dataset export, materialize, attach, compact, resync: where a dataset's rows are."""

from typing import Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import say, show_json, show_table
from app.cli.session import Session, connected
from app.cli.watch import wait_for_job

Document = dict[str, Any]
WAIT = click.option("--wait", is_flag=True, help="Wait for the job, and show what became of it.")
TARGET = click.option("--target", metavar="NAME", help="The new dataset.")


def _finish(session: Session, accepted: Document, what: str, *, wait: bool) -> Document | None:
    """The job's result when it was waited for; else the job is said, or shown as JSON."""
    if wait:
        job = wait_for_job(session, accepted["job_id"])
        if session.as_json:
            show_json(job)
            return None
        return dict(job["result"] or {})
    if session.as_json:
        show_json(accepted)
        return None
    say(f"{what}: job {accepted['job_id']} does it; watch it:")
    say("  " + session.command("job", "show", accepted["job_id"], "--wait"))
    return None


def _move(session: Session, name: str, verb: str, body: Document, *, wait: bool) -> None:
    accepted = session.api.post(f"/catalog/datasets/by-name/{segment(name)}/{verb}", body)
    result = _finish(session, accepted, f"{name} to {accepted['target']}", wait=wait)
    if result is None:
        return
    tombstoned = f"; {result['tombstoned']:,} were tombstoned meanwhile" if result["tombstoned"] else ""
    say(f"{result['dataset']}: {result['rows']:,} rows of {result['source']}{tombstoned}", "bold")
    say(f"see it: {session.command('dataset', 'show', result['dataset'])}", "dim")


@click.command("export")
@click.argument("name")
@TARGET
@click.option("--bucket", metavar="NAME", help="The bucket. [the first of the settings]")
@WAIT
@connected()
def export_dataset(session: Session, name: str, target: str | None, bucket: str | None, wait: bool) -> None:
    """Copy a dataset into a bucket, as Parquet files (Delta) and a dataset of their own. [NAME_parquet]"""
    _move(session, name, "export", {"target": target, "bucket": bucket}, wait=wait)


@click.command("materialize")
@click.argument("name")
@TARGET
@WAIT
@connected()
def materialize_dataset(session: Session, name: str, target: str | None, wait: bool) -> None:
    """Copy a dataset whose rows are in files into Postgres, as a dataset of its own. [NAME_table]"""
    _move(session, name, "materialize", {"target": target}, wait=wait)


@click.command("attach")
@click.argument("name")
@click.argument("path")
@click.option("--bucket", metavar="NAME", help="The bucket that they are in. [the first of the settings]")
@click.option("--row-key", metavar="COLUMN", help="The column that identifies a row.")
@connected()
def attach_dataset(session: Session, name: str, path: str, bucket: str | None, row_key: str | None) -> None:
    """Make a dataset of Parquet files where they are: a file, a folder, or a pattern in the last part of PATH."""
    body = {"name": name, "path": path, "bucket": bucket, "row_key": row_key}
    found = session.api.post("/catalog/datasets/attach", body)
    if session.as_json:
        show_json(found)
        return
    say(
        f"{found['name']}: {found['row_count']:,} rows, {len(found['columns'])} columns; they are only read",
        "bold",
    )


@click.command("compact")
@click.argument("name")
@WAIT
@connected()
def compact_dataset(session: Session, name: str, wait: bool) -> None:
    """Make large files of small ones, and take tombstoned rows out of them; they cannot be undone after that."""
    accepted = session.api.post("/query/compact", {"dataset": name})
    result = _finish(session, accepted, f"compaction of {name}", wait=wait)
    if result is not None:
        purged = f", {result['purged']:,} tombstoned rows left them" if result["purged"] else ""
        say(f"{name}: {result['files_before']:,} files became {result['files']:,}{purged}", "bold")


@click.command("resync")
@WAIT
@connected()
def resync_datasets(session: Session, wait: bool) -> None:
    """Put right what the catalog says of datasets in buckets, from their files: rows, columns, bytes."""
    accepted = session.api.post("/catalog/resync-missing")
    result = _finish(session, accepted, "resync", wait=wait)
    if result is None:
        return
    rows = ([c["dataset"], c["field"], str(c["before"]), str(c["after"])] for c in result["changed"])
    show_table(
        ["dataset", "what", "was", "is"], rows, none=f"{result['checked']:,} datasets, all as their files are"
    )
    if result["removed_folders"]:
        say(f"{result['removed_folders']:,} folders in which there is no dataset were removed")
    for failure in result["failed"]:
        say(f"{failure['dataset']}: {failure['reason']}", "yellow")


COMMANDS = (export_dataset, materialize_dataset, attach_dataset, compact_dataset, resync_datasets)
