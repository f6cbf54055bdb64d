"""The demo's steps: each does one thing, holds it against what must come of it, and shows its figures."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from app.cli.catalog import upload_file
from app.cli.client import LONG_S, Api
from app.cli.output import duration, excerpt, get_console, printable, show_table
from app.cli.session import Session
from app.cli.watch import wait_for_job
from app.errors import InternalError, LakewardError, NotFoundError

ANALYST, RECRUITER = "security-analyst", "staffing-recruiter"
THREATS, PEOPLE = "threat_intel", "candidates"
TEXTS = {THREATS: ["vulnerabilityName", "shortDescription"], PEOPLE: ["summary", "skills"]}
READERS = {
    ANALYST: (THREATS, "Follows exploited vulnerabilities (lakeward demo)"),
    RECRUITER: (PEOPLE, "Finds people for projects (lakeward demo)"),
}
TOP_VENDORS = """\
select "vendorProject" as vendor, count(*) as exploited,
  count(*) filter (where "knownRansomwareCampaignUse" = 'Known') as by_ransomware
from threat_intel group by 1 order by 2 desc, 1 limit 5"""

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


class Step(msgspec.Struct, frozen=True):
    """One step that did what it should: its figures, how long it took, and the command that repeats it."""

    title: str
    figures: str
    command: str
    duration_ms: float


class Figures(msgspec.Struct, frozen=True):
    """What a step has to show."""

    text: str
    table: Table | None = None


class Demo:
    """The steps that were done, and how they are shown."""

    def __init__(self, session: Session, home: Path) -> None:
        self.session = session
        self.api: Api = session.api
        self.home = home
        self.steps: list[Step] = []

    def step(
        self, title: str, words: Sequence[str], act: Callable[[], Figures], *, home_option: str = "--home"
    ) -> None:
        """Do it, show it, remember it.

        Raises:
            LakewardError: it did not do what it should.
        """
        command = self.session.command(*words, home_option=home_option)
        if not self.session.as_json:
            get_console().print(Text(f"\n{len(self.steps) + 1}. {title}", style="bold"), soft_wrap=True)
            sys.stdout.flush()
        started = time.perf_counter()
        figures = act()
        step = Step(title, figures.text, command, round((time.perf_counter() - started) * 1000, 1))
        self.steps.append(step)
        if self.session.as_json:
            return
        get_console().print(
            Text.assemble(
                "   ", (printable(step.figures), "green"), f"  ({duration(step.duration_ms)})\n",
                (f"   $ {command}", "cyan"),
            ),
            soft_wrap=True,
        )  # fmt: skip
        if figures.table is not None:
            show_table(*figures.table)


def find_one(api: Api, path: str) -> Any:
    try:
        return api.get(path)
    except NotFoundError:
        return None


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise InternalError(f"the demo expected {what}")


def load(played: Demo, dataset: str, path: Path, **fields: str) -> None:
    words = ["ingest", str(path), "--dataset", dataset]
    words += [word for name, value in fields.items() for word in (f"--{name.replace('_', '-')}", value)]

    def act() -> Figures:
        answer = upload_file(played.session, path, {"dataset": dataset, **fields})
        found = played.api.get(f"/catalog/datasets/by-name/{dataset}")
        _expect(found["row_count"] == answer["rows"] > 0, f"{answer['rows']} rows in {dataset}")
        known = ", there already" if answer["duplicate"] else ""
        return Figures(
            f"{answer['rows']:,} rows, {len(found['columns'])} columns, {answer['rejected']} rejected{known}"
        )

    played.step(f"Load {path.name} as {dataset}", words, act, home_option="--lakeward-home")


def embed(played: Demo, dataset: str) -> None:
    columns = TEXTS[dataset]

    def act() -> Figures:
        found = find_one(played.api, f"/vectors/indexes/{dataset}_v1")
        known = (
            found is not None and found["text_columns"] == columns and not found["freshness"]["stale_rows"]
        )
        if not known:
            body = {"source": dataset, "text_columns": columns}
            wait_for_job(played.session, played.api.post("/vectors/index", body)["job_id"])
            found = played.api.get(f"/vectors/indexes/{dataset}_v1")
        rows = played.api.get(f"/catalog/datasets/by-name/{dataset}")["row_count"]
        _expect(found["documents"] == rows and not found["freshness"]["stale_rows"], f"{rows} embedded rows")
        already = ", there already" if known else ""
        return Figures(
            f"{found['chunks']:,} chunks of {found['dimensions']} dimensions, {found['model_name']}{already}"
        )

    words = ["index", "create", dataset, *(word for column in columns for word in ("--text", column))]
    played.step(f"Embed {dataset} on this machine", words, act)


def create_reader(played: Demo, profile: str) -> None:
    dataset, description = READERS[profile]

    def act() -> Figures:
        found = find_one(played.api, f"/catalog/profiles/{profile}")
        known = found is not None and found["bound_datasets"] == [dataset]
        if not known:
            body = {"id": profile, "bound_datasets": [dataset], "description": description}
            found = played.api.post("/catalog/profiles", body)
        with played.session.as_reader(profile) as reader:
            who = reader.get("/whoami")
        _expect(who["relations"] == [dataset], f"{profile} to read {dataset} and nothing else")
        already = ", there already" if known else ""
        return Figures(
            f"reads {dataset} alone: role {found['role_name']}, schema {found['schema_name']}{already}"
        )

    words = ["profile", "create", profile, "--bind", dataset, "--description", description]
    played.step(f"Give {profile} a world of its own", words, act)


def activate(played: Demo, profile: str) -> None:
    def act() -> Figures:
        activation = played.api.post(f"/vectors/profile/{profile}/activate", read_s=LONG_S)
        warmed = activation["warmed"]
        _expect(len(warmed) == 1 and not activation["failures"], f"one warm index, not {activation}")
        built = f"built in {duration(warmed[0]['build_ms'])}" if warmed[0]["built"] else "there already"
        return Figures(
            f"HNSW {built}, {warmed[0]['vectors']:,} vectors reached in {duration(warmed[0]['warm_ms'])}"
        )

    played.step(f"Activate {profile}", ["profile", "activate", profile], act)


def search(played: Demo, profile: str, text: str, wanted: Sequence[str]) -> None:
    index = f"{READERS[profile][0]}_v1"

    def act() -> Figures:
        body = {"index": index, "query": text, "k": 3}
        answer = played.api.post(f"/vectors/profile/{profile}/search", body)
        found = " ".join(hit["text"] for hit in answer["hits"]).lower()
        _expect(
            answer["returned"] == 3 and any(word in found for word in wanted), f"{wanted[0]} among the hits"
        )
        rows = [[f"{hit['score']:.2f}", hit["doc_key"], excerpt(hit["text"], 110)] for hit in answer["hits"]]
        figures = f"{answer['returned']} hits by {answer['method']} in {duration(answer['duration_ms'])}"
        return Figures(figures, (["score#", "key", "text"], rows))

    played.step(f'{profile} searches "{text}"', ["search", profile, index, text, "-k", "3"], act)


def _refusal(act: Callable[[], Any], what: str) -> Figures:
    try:
        act()
    except LakewardError as exc:
        _expect(
            exc.code in ("profile_not_bound", "invalid_query"), f"{what} to be refused, not: {exc.message}"
        )
        return Figures(f"refused ({exc.code}): {exc.message}")
    raise InternalError(f"the demo expected {what} to be refused")


def refuse_search(played: Demo) -> None:
    index = f"{PEOPLE}_v1"
    body = {"index": index, "query": "anybody"}
    path = f"/vectors/profile/{ANALYST}/search"
    played.step(
        f"{ANALYST} asks for {PEOPLE}",
        ["search", ANALYST, index, "anybody"],
        lambda: _refusal(lambda: played.api.post(path, body), f"{ANALYST} searching {PEOPLE}"),
    )


def refuse_query(played: Demo) -> None:
    query = f"select * from {PEOPLE}"  # noqa: S608 - a constant, refused by the engine

    def act() -> Figures:
        with played.session.as_reader(ANALYST) as reader:
            return _refusal(lambda: reader.post("/query/sql", {"sql": query}), f"{ANALYST} reading {PEOPLE}")

    played.step(f"{ANALYST} tries SQL: no such table in its world", ["query", query, "--as", ANALYST], act)


def query_vendors(played: Demo) -> None:
    def act() -> Figures:
        with played.session.as_reader(ANALYST) as reader:
            answer = reader.post("/query/sql", {"sql": TOP_VENDORS})
        _expect(answer["row_count"] == 5 and answer["rows"][0][1] >= answer["rows"][1][1] > 0, "five vendors")
        headers = ["vendor", "exploited#", "by ransomware#"]
        figures = f"{answer['row_count']} rows by {answer['engine']} in {duration(answer['duration_ms'])}"
        return Figures(figures, (headers, answer["rows"]))

    words = ["query", " ".join(TOP_VENDORS.split()), "--as", ANALYST]
    played.step("Whose products are exploited most?", words, act)
