"""demo: the main job on real data, each step with its figures and the command that repeats it."""

import hashlib
import time
from pathlib import Path

import msgspec
import rich_click as click
from rich.text import Text

from app.cli.address import find_address
from app.cli.client import Api
from app.cli.demo_people import build_candidates
from app.cli.demo_server import running_server
from app.cli.demo_steps import (
    ANALYST,
    PEOPLE,
    READERS,
    RECRUITER,
    TEXTS,
    THREATS,
    Demo,
    activate,
    create_reader,
    embed,
    find_one,
    load,
    query_vendors,
    refuse_query,
    refuse_search,
    search,
)
from app.cli.output import duration, get_console, show_json
from app.cli.session import Session
from app.errors import ConflictError
from app.settings import Settings, load_settings

KEV = Path(__file__).resolve().parent.parent / "demo_data" / "known_exploited_vulnerabilities.json"
#: Embedding is the cost: 1,404 + 2,000 short texts take half a minute on two cores that have nothing else to do.
CANDIDATES = 2_000


@click.command()
@click.option("--home", type=click.Path(path_type=Path), help="The home to fill. [~/.lakeward]")
@click.option("--json", "as_json", is_flag=True, help="The steps as JSON.")
def demo(home: Path | None, as_json: bool) -> None:
    """Run the main job on real data: ingest, index, two profiles, search, a refusal, SQL.

    Starts a server on the home when none runs there, and stops it at the end. Run again, it changes nothing.
    """
    settings = load_settings(home=home)
    started = time.perf_counter()
    with running_server(settings) as child, Api(find_address(settings)) as api:
        played = Demo(Session(api, as_json=as_json, home=home), settings.home)
        if not as_json:
            where = "started for this" if child else "it was running"
            get_console().print(Text(f"Lakeward at {api.address.url} ({where})", style="bold"))
        _play(played)
    seconds = time.perf_counter() - started
    if as_json:
        show_json(
            {"ok": True, "duration_ms": round(seconds * 1000, 1), "steps": msgspec.to_builtins(played.steps)}
        )
    else:
        _show_end(played, settings, seconds, stopped=child)


def _play(played: Demo) -> None:
    people = _write_candidates(played.home)
    _refuse_foreign(played, people)
    load(played, THREATS, KEV, row_key="cveID", records_path="vulnerabilities")
    load(played, PEOPLE, people, row_key="candidate_id")
    for dataset in TEXTS:
        embed(played, dataset)
    for profile in READERS:
        create_reader(played, profile)
        activate(played, profile)
    search(
        played, ANALYST, "attackers take over a mail server without a password", ("mail", "exchange", "smtp")
    )
    search(
        played, RECRUITER, "somebody who runs Kubernetes and automates the cloud", ("kubernetes", "terraform")
    )
    refuse_search(played)
    refuse_query(played)
    query_vendors(played)


def _write_candidates(home: Path) -> Path:
    path = home / "demo" / f"{PEOPLE}.csv"
    content = build_candidates(CANDIDATES)
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


def _refuse_foreign(played: Demo, people: Path) -> None:
    """What has the demo's names and is not the demo's is somebody's work, and is left alone."""
    digests = {THREATS: _sha256(KEV), PEOPLE: _sha256(people)}
    for dataset, digest in digests.items():
        found = find_one(played.api, f"/catalog/datasets/by-name/{dataset}")
        if found is not None and all(one.get("content_sha256") != digest for one in found["lineage"]):
            raise ConflictError(
                f"there is a dataset {dataset!r} here that is not the demo's; use another --home"
            )
    for profile, (_, description) in READERS.items():
        found = find_one(played.api, f"/catalog/profiles/{profile}")
        if found is not None and found["description"] != description:
            raise ConflictError(
                f"there is a profile {profile!r} here that is not the demo's; use another --home"
            )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _show_end(played: Demo, settings: Settings, seconds: float, *, stopped: bool) -> None:
    up = played.session.command("up")
    lines = [f"\n{len(played.steps)} steps in {duration(seconds * 1000)}; everything is in {settings.home}"]
    if stopped:
        lines.append(f"The server was stopped; start it again: {up}")
    lines.append(f"Then be a reader yourself:  {played.session.command('psql', '--as', ANALYST)}")
    get_console().print(Text("\n".join(lines)), soft_wrap=True)
