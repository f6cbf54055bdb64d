"""Whatever becomes of a copy, a search by it answers what Postgres would, and the next sync repairs it."""

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from app.catalog.models import ColumnRequest, DatasetRequest
from app.catalog.service import create_or_update_dataset
from app.db.database import Database
from app.errors import DiskFullError, InvalidInputError, NotFoundError
from app.lance import sync as sync_module
from app.lance.copied import Copied
from app.lance.folder import Folder
from app.lance.indexes import LanceIndexes
from app.lance.models import Candidates
from app.lance.sync import erase, find_index
from app.lance.tasks import defer_due
from app.models.fake import FakeEmbedder
from app.profiles.models import ProfileRequest
from app.profiles.service import create_or_update_profile, get_profile
from app.settings import Settings
from app.vectors.models import IndexRequest
from app.vectors.service import create_index, delete_index

pytest.importorskip("lancedb")

INDEX, ROWS, DIMENSIONS = "notes_v1", 300, 384
CHUNKS = sql.Identifier("vec", INDEX)


def vectors(first: int, last: int) -> np.ndarray:
    return np.array(
        [np.random.default_rng(n).normal(size=DIMENSIONS) for n in range(first, last)], np.float16
    )


class Notes:
    """An index of chunks that are written here, and its copy."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.home = home
        self.lance = LanceIndexes(database, home)
        self.path = self.lance.folder.path(INDEX)

    async def write(self, first: int, last: int) -> None:
        """Chunks `first` to `last`; the chunk id is the number of the vector."""
        async with self.database.owner().begin() as transaction:
            for n, vector in zip(range(first, last), vectors(first, last), strict=True):
                await transaction.execute(
                    sql.SQL(
                        "insert into {} (chunk_id, row_key, chunk_no, embedding) overriding system value "
                        "values (%s, %s, 0, %s::real[]::ext.halfvec)"
                    ).format(CHUNKS),
                    [n, str(n), [float(x) for x in vector]],
                )

    async def delete(self, *numbers: int) -> None:
        async with self.database.owner().begin() as transaction:
            await transaction.execute(
                sql.SQL("delete from {} where chunk_id = any(%s)").format(CHUNKS), [list(numbers)]
            )

    async def find(self, number: int, lance: LanceIndexes | None = None) -> Candidates | None:
        """What is near the vector of this number, by the copy at the state that counts."""
        state = (await find_index(self.database.owner(), INDEX)).lance
        return await (lance or self.lance).find(INDEX, state, vectors(number, number + 1)[0], 5, 50)


@pytest.fixture
async def notes(database: Database, settings: Settings) -> Notes:
    """300 chunks, and a profile that searches them by Lance."""
    steward = database.steward()
    columns = [ColumnRequest(name="id", type="text"), ColumnRequest(name="note", type="text")]
    await create_or_update_dataset(steward, DatasetRequest(name="notes", row_key="id", columns=columns))
    await create_index(
        steward, FakeEmbedder(), IndexRequest(source="notes", text_columns=["note"], name=INDEX)
    )
    request = ProfileRequest(id="reader", bound_datasets=["notes"], vector_backend="lance")
    await create_or_update_profile(steward, request)
    found = Notes(database, settings.home)
    await found.write(1, ROWS + 1)
    return found


async def test_a_sync_adds_what_came_and_takes_out_what_went(notes: Notes) -> None:
    first = await notes.lance.sync(INDEX)
    assert (first.rebuilt, first.vectors, first.synced_to) == (True, ROWS, ROWS)
    found = await notes.find(7)
    assert found is not None and found.chunk_ids[0] == 7 and found.synced_to == ROWS
    await notes.write(ROWS + 1, ROWS + 21)
    await notes.delete(7, 8)
    second = await notes.lance.sync(INDEX)
    assert (second.rebuilt, second.added, second.removed, second.vectors) == (False, 20, 2, ROWS + 18)
    found = await notes.find(7)
    assert found is not None and 7 not in found.chunk_ids
    again = await notes.lance.sync(INDEX)
    assert (again.rebuilt, again.added, again.removed) == (False, 0, 0)


async def test_what_is_not_committed_is_not_said_to_be_in_it(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "PATIENCE_S", 0.3)
    await notes.lance.sync(INDEX)
    async with notes.database.owner().begin() as slow:
        # it has drawn a smaller id than the next writer, and commits after it
        await slow.execute(
            sql.SQL(
                "insert into {} overriding system value values (%s, 'x', 0, %s::real[]::ext.halfvec)"
            ).format(CHUNKS),
            [ROWS + 1, [1.0] * DIMENSIONS],
        )
        await notes.write(ROWS + 2, ROWS + 5)
        synced = await notes.lance.sync(INDEX)
        assert synced.added == 3 and synced.synced_to == ROWS, "complete to where it was before"
    assert (await notes.lance.sync(INDEX)).synced_to == ROWS + 4


async def test_an_index_of_the_same_name_does_not_get_the_copy_of_the_last(notes: Notes) -> None:
    await notes.lance.sync(INDEX)
    steward = notes.database.steward()
    await delete_index(steward, INDEX)
    await create_index(
        steward, FakeEmbedder(), IndexRequest(source="notes", text_columns=["note"], name=INDEX)
    )
    await notes.write(1, 11)
    assert await notes.find(3) is None, "asked in Postgres until it is synced"
    synced = await notes.lance.sync(INDEX)
    assert (synced.rebuilt, synced.vectors) == (True, 10)


async def test_a_copy_of_another_time_is_made_anew(notes: Notes, tmp_path: Path) -> None:
    await notes.lance.sync(INDEX)
    shutil.copytree(notes.path, tmp_path / "old")
    for n in range(3):
        await notes.write(ROWS + 1 + n, ROWS + 2 + n)
        await notes.lance.sync(INDEX)
    shutil.rmtree(notes.path)
    shutil.copytree(tmp_path / "old", notes.path)
    other = LanceIndexes(notes.database, notes.home)
    assert await notes.find(3, other) is None
    assert (await notes.lance.sync(INDEX)).rebuilt
    assert (await notes.find(ROWS + 2)).chunk_ids[0] == ROWS + 2  # type: ignore[union-attr]


async def test_of_a_database_from_before_the_last_sync_the_copy_is_not_used(notes: Notes) -> None:
    await notes.lance.sync(INDEX)
    old = (await find_index(notes.database.owner(), INDEX)).lance
    await notes.write(ROWS + 1, ROWS + 3)
    await notes.lance.sync(INDEX)
    async with notes.database.owner().begin() as transaction:  # as a restore would
        await transaction.execute("update lakeward.vector_index set lance = %s", [Jsonb(old)])
    assert await notes.find(3, LanceIndexes(notes.database, notes.home)) is None
    assert (await notes.lance.sync(INDEX)).rebuilt


@pytest.mark.parametrize("damage", ["no folder", "no data", "no marker", "a file in its place", "garbage"])
async def test_a_damaged_copy_is_searched_in_postgres_and_repaired(notes: Notes, damage: str) -> None:
    await notes.lance.sync(INDEX)
    match damage:
        case "no folder":
            shutil.rmtree(notes.path)
        case "no data":
            shutil.rmtree(notes.path / "chunks.lance" / "data")
        case "no marker":
            notes.lance.folder.distrust(INDEX)
        case "a file in its place":
            shutil.rmtree(notes.path)
            notes.path.write_text("a file")
        case _:
            for path in notes.path.rglob("*.lance"):
                if path.is_file():
                    path.write_bytes(b"garbage" * 100)
    assert await notes.find(3, LanceIndexes(notes.database, notes.home)) is None
    assert (await notes.lance.sync(INDEX)).rebuilt
    found = await notes.find(3)
    assert found is not None and found.chunk_ids[0] == 3


async def test_without_room_nothing_is_lost(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    await notes.lance.sync(INDEX)
    await notes.write(ROWS + 1, ROWS + 3)
    usage = shutil.disk_usage(notes.home)
    monkeypatch.setattr(sync_module.shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(DiskFullError, match=r"copy of 'notes_v1' in Lance needs about .* are free"):
        await notes.lance.sync(INDEX)
    found = await notes.find(3)
    assert found is not None and found.synced_to == ROWS, "as it was"
    monkeypatch.undo()
    assert (await notes.lance.sync(INDEX)).added == 2


async def test_two_syncs_at_once_are_one_after_the_other(notes: Notes) -> None:
    other = LanceIndexes(notes.database, notes.home)
    done = await asyncio.gather(*(lance.sync(INDEX) for lance in (notes.lance, other, notes.lance)))
    assert sorted(synced.rebuilt for synced in done) == [False, False, True]
    copied = await Copied.open(notes.path, DIMENSIONS)
    assert (await copied.read_ids()).tolist() == list(range(1, ROWS + 1))


async def test_searches_go_on_while_it_is_synced(notes: Notes) -> None:
    await notes.lance.sync(INDEX)
    stopped = False

    async def ask() -> int:
        asked = 0
        while not stopped:
            found = await notes.find(asked % ROWS + 1)
            assert found is None or found.chunk_ids[0] == asked % ROWS + 1
            asked += found is not None
        return asked

    asking = asyncio.create_task(ask())
    for n in range(3):
        await notes.write(1000 + n * 10, 1010 + n * 10)
        assert (await LanceIndexes(notes.database, notes.home).sync(INDEX)).added == 10
    stopped = True
    assert await asking > 5


async def test_an_index_that_goes_away_takes_its_copy_along(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await notes.lance.sync(INDEX)
    await notes.write(ROWS + 1, ROWS + 3)
    add = Copied.add

    async def add_and_lose(self: Copied, *args: Any) -> None:
        await add(self, *args)
        await delete_index(notes.database.steward(), INDEX)

    monkeypatch.setattr(Copied, "add", add_and_lose)
    with pytest.raises(NotFoundError, match="notes_v1"):
        await notes.lance.sync(INDEX)
    assert not notes.path.exists()
    with pytest.raises(NotFoundError):
        await notes.lance.sync(INDEX)
    (notes.lance.folder.root / "left_over").mkdir()
    assert await erase(notes.database, Folder(notes.home), []) == ["left_over"]


async def test_what_needs_a_sync_is_deferred_once(notes: Notes) -> None:
    folder = Folder(notes.home)
    assert await defer_due(notes.database, folder) == [INDEX]
    assert await defer_due(notes.database, folder) == [], "it waits already"
    async with notes.database.owner().begin() as transaction:
        await transaction.execute("update lakeward.job set state = 'succeeded'")
    await notes.lance.sync(INDEX)
    assert await defer_due(notes.database, folder) == []
    await notes.write(ROWS + 1, ROWS + 2)
    assert await defer_due(notes.database, folder) == [INDEX]


async def test_a_profile_searches_by_it_only_where_it_is_installed(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.lance.extra.is_installed", lambda: False)
    steward = notes.database.steward()
    with pytest.raises(InvalidInputError, match=r"pip install 'lakeward\[lance\]'"):
        await create_or_update_profile(steward, ProfileRequest(id="other", vector_backend="lance"))
    assert (await get_profile(steward, "reader")).vector_backend == "lance"
    monkeypatch.setattr("app.lance.indexes.is_installed", lambda: False)
    assert await notes.find(3, LanceIndexes(notes.database, notes.home)) is None


KILLED = """
import asyncio, sys
from pathlib import Path
from app.db.database import open_database
from app.lance import sync as module
from app.lance.copied import Copied
from app.lance.indexes import LanceIndexes
from app.settings import load_settings

async def main():
    home, dsn, at = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    database = await open_database(dsn, load_settings({}, home=home))
    module.BATCH = 20
    owner, name = {"add": (Copied, "add"), "commit": (module, "_set_state"), "tidy": (Copied, "tidy")}[at]
    was, calls = getattr(owner, name), 0
    async def stop(*args):
        nonlocal calls
        calls += 1
        answer = await was(*args)
        if calls == 2 or at == "tidy":
            print("now", flush=True)
            await asyncio.sleep(60)
        return answer
    setattr(owner, name, stop)
    await LanceIndexes(database, home).sync("notes_v1")

asyncio.run(main())
"""


@pytest.mark.parametrize("at", ["add", "tidy", "commit"])
async def test_a_sync_that_was_killed_is_repaired_by_the_next(notes: Notes, at: str) -> None:
    command = [sys.executable, "-c", KILLED, str(notes.home), notes.database.service_dsn, at]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    said = await asyncio.wait_for(process.stdout.readline(), 60)
    assert said == b"now\n", (await process.stderr.read()).decode()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    found = await notes.find(3)
    assert found is None or found.synced_to == 0
    synced = await notes.lance.sync(INDEX)
    assert synced.vectors == ROWS and synced.synced_to == ROWS
    copied = await Copied.open(notes.path, DIMENSIONS)
    assert (await copied.read_ids()).tolist() == list(range(1, ROWS + 1))
