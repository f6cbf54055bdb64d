"""What happens while a dataset is copied: tombstones, erasures, cancelling, failures; and what is left of it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from app.db.database import open_database
from app.delta.folders import remove_orphans
from app.delta.places import Places
from app.errors import ConflictError, UnavailableError
from app.jobs.context import Attempt, JobContext, JobStoppedError
from app.moves import export as exporting
from app.moves import materialize as materializing
from app.moves.models import MovePlan
from app.storage.service import open_storage
from tests.integration.api.conftest import Api, api

__all__ = ["api"]
CSV = "id,name\n" + "".join(f"{n},n{n}\n" for n in range(100))


@pytest.fixture(scope="module")
def source(api: Api) -> Api:
    assert api.ingest("rows", CSV, row_key="id").status_code == 201
    assert api.ingest("rows_b", CSV, row_key="id", home="bucket").status_code == 201
    return api


class Running:
    """The two moves as the worker runs them, in this process, with something done in the middle."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api, self.patch = api, monkeypatch
        self.acts = {"export": exporting._write, "materialize": materializing._load}

    def run(
        self, verb: str, target: str, middle: Any, job: str = "00000000-0000-0000-0000-000000000001"
    ) -> Any:
        module, name = (exporting, "_write") if verb == "export" else (materializing, "_load")
        act: Any = self.acts[verb]

        async def and_then(*arguments: Any) -> Any:
            found = await act(*arguments)
            await asyncio.to_thread(middle)
            return found

        self.patch.setattr(module, name, and_then)
        dataset = "rows" if verb == "export" else "rows_b"
        plan = MovePlan(dataset=dataset, target=target, bucket="local" if verb == "export" else None)

        async def run() -> Any:
            database = await open_database(self.api.deployed.service_dsn, self.api.settings)
            storage = open_storage(self.api.settings, database)
            context = JobContext(database, job, verb, Attempt(attempts=1, args={}, done=0, total=None))
            context.report = self.report  # type: ignore[method-assign]
            try:
                return await getattr(module, verb)(context, Places(storage), plan)
            finally:
                await database.close()

        return asyncio.run(run())

    async def report(self, done: int, total: int | None = None) -> None:
        """Said to nobody."""


@pytest.fixture
def running(source: Api, monkeypatch: pytest.MonkeyPatch) -> Running:
    return Running(source, monkeypatch)


def tombstone(api: Api, dataset: str, *keys: int) -> None:
    body = {"row_key_column": "id", "row_key_values": list(keys)}
    answer = api.admin.post(f"/catalog/datasets/by-name/{dataset}/tombstone", json=body)
    assert answer.json()["tombstoned"] == len(keys), answer.text


def count(api: Api, dataset: str, where: str = "true") -> int:
    for _ in range(4):
        answer = api.admin.post("/query/sql", json={"sql": f"select count(*) from {dataset} where {where}"})
        if answer.status_code != 504:  # no answer is none: the machine is busy
            break
    assert answer.status_code == 200, answer.text
    return int(answer.json()["rows"][0][0])


def folders(api: Api, name: str) -> list[Path]:
    return list((api.settings.home / "buckets" / "local" / "datasets").glob(f"{name}-*"))


def leftovers(api: Api) -> int:
    with api.deployed.connect() as connection:
        found = connection.execute("select count(*) from pg_tables where tablename ~ '^_load_'").fetchone()
    return int(found[0])


@pytest.mark.parametrize(("verb", "dataset", "key"), [("export", "rows", 5), ("materialize", "rows_b", 6)])
def test_what_is_tombstoned_meanwhile_is_gone_from_the_copy(
    source: Api, running: Running, verb: str, dataset: str, key: int
) -> None:
    target = f"late_{verb}"
    there = count(source, dataset)
    moved = running.run(verb, target, lambda: tombstone(source, dataset, key))
    assert (moved.rows, moved.tombstoned) == (there - 1, 1)
    assert count(source, target) == there - 1
    assert count(source, target, f"id = {key}") == 0
    assert source.admin.get(f"/catalog/datasets/by-name/{target}").json()["row_count"] == there - 1


def test_of_an_erased_key_nobody_knows_which_row_it_was(source: Api, running: Running) -> None:
    def erase() -> None:
        tombstone(source, "rows", 7)
        with source.deployed.connect() as connection:
            connection.execute(
                "update lakeward.tombstone set key_value = null, image = null where key_value = '7'"
            )

    with pytest.raises(UnavailableError, match="copied again"):
        running.run("export", "erased", erase)
    assert folders(source, "erased") == []
    assert source.admin.get("/catalog/datasets/by-name/erased").status_code == 404


@pytest.mark.parametrize(("verb", "dataset"), [("export", "rows"), ("materialize", "rows_b")])
def test_what_is_classified_meanwhile_is_so_in_the_copy(
    source: Api, running: Running, verb: str, dataset: str
) -> None:
    def classify() -> None:
        body = {"columns": {"name": {"sensitivity": "restricted"}}}
        path = f"/catalog/datasets/by-name/{dataset}/metadata"
        assert source.admin.patch(path, json=body).status_code == 200

    running.run(verb, f"closed_{verb}", classify)
    columns = source.admin.get(f"/catalog/datasets/by-name/closed_{verb}").json()["columns"]
    assert {c["name"]: c["sensitivity"] for c in columns} == {"id": "internal", "name": "restricted"}


@pytest.mark.parametrize("verb", ["export", "materialize"])
def test_a_name_that_is_taken_meanwhile_ends_it_without_a_trace(
    source: Api, running: Running, verb: str
) -> None:
    target = f"taken_{verb}"

    def take() -> None:
        assert source.ingest(target, "a\n1\n").status_code == 201

    with pytest.raises(ConflictError):
        running.run(verb, target, take)
    assert count(source, target) == 1
    assert folders(source, target) == [] and leftovers(source) == 0


@pytest.mark.parametrize("verb", ["export", "materialize"])
def test_a_cancelled_job_leaves_nothing(
    source: Api, running: Running, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled(done: int, total: int | None = None) -> None:
        raise JobStoppedError

    monkeypatch.setattr("app.moves.flow.WATCH_S", 0.0)
    monkeypatch.setattr(running, "report", cancelled)
    with pytest.raises(JobStoppedError):
        running.run(verb, f"cancelled_{verb}", lambda: None)
    assert folders(source, f"cancelled_{verb}") == [] and leftovers(source) == 0
    assert source.admin.get(f"/catalog/datasets/by-name/cancelled_{verb}").status_code == 404


@pytest.mark.parametrize("verb", ["export", "materialize"])
def test_a_second_attempt_after_the_commit_answers_the_first(
    source: Api, running: Running, verb: str
) -> None:
    first = running.run(verb, f"twice_{verb}", lambda: None)
    assert running.run(verb, f"twice_{verb}", lambda: pytest.fail("it was read again")) == first
    with pytest.raises(ConflictError):
        running.run(verb, f"twice_{verb}", lambda: None, job="00000000-0000-0000-0000-000000000002")


def test_rows_that_come_meanwhile_are_not_in_the_snapshot(source: Api, running: Running) -> None:
    there = count(source, "rows")
    read = exporting.read_source

    async def read_and_load(*arguments: Any) -> Any:
        found = await read(*arguments)
        answer = await asyncio.to_thread(source.ingest, "rows", "id,name\n9001,new\n")
        assert answer.status_code == 201, answer.text
        return found

    running.patch.setattr(exporting, "read_source", read_and_load)
    assert running.run("export", "as_it_was", lambda: None).rows == there
    assert count(source, "as_it_was", "id = 9001") == 0 and count(source, "rows") == there + 1


def test_a_folder_that_nobody_holds_is_removed_and_one_in_use_is_not(source: Api) -> None:
    source.ingest("kept", CSV, row_key="id", home="bucket")
    source.ingest("gone", CSV, row_key="id", home="bucket")
    assert source.admin.delete("/catalog/datasets/by-name/gone").status_code == 200
    foreign = source.settings.home / "buckets/local/datasets/mine-0123456789ab"
    foreign.mkdir()
    (foreign / "a.parquet").write_bytes(b"x")

    async def sweep(older_s: float) -> int:
        database = await open_database(source.deployed.service_dsn, source.settings)
        try:
            return await remove_orphans(
                database, Places(open_storage(source.settings, database)), older_s=older_s
            )
        finally:
            await database.close()

    assert asyncio.run(sweep(3600)) == 0
    [location] = [f"datasets/{path.name}" for path in folders(source, "gone")]
    with source.deployed.connect() as connection, connection.transaction():
        held = sql.SQL("select from lakeward.bucket_folder where location = {} for update").format(location)
        connection.execute(held)
        assert asyncio.run(sweep(0)) == 0
    time.sleep(0.01)
    assert asyncio.run(sweep(0)) == 1
    assert folders(source, "gone") == [] and len(folders(source, "kept")) == 1
    assert foreign.exists() and count(source, "kept") == 100
