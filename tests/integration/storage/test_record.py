"""The error journal, and what the journal and the audit say of objects."""

import psycopg
import pytest

from app.storage.faults import Fault
from app.storage.record import Recorder, list_errors


async def test_an_error_is_appended_and_stays(database, admin):
    recorder = Recorder(database)
    await recorder.append("b", "get", Fault("unreachable", "why"), key="k", request_id="r1")
    (entry,) = (await list_errors(database.steward(), 10)).items
    assert (entry.bucket, entry.operation, entry.key, entry.kind) == ("b", "get", "k", "unreachable")
    assert entry.message == "why" and entry.request_id == "r1"
    for statement in ("delete from", "truncate"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            admin.execute(f"{statement} lakeward.storage_error")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        admin.execute("update lakeward.storage_error set message = ''")


async def test_a_database_that_is_away_stops_nothing(database, caplog):
    await database.pool.close()
    await Recorder(database).append("b", "get", Fault("unreachable", "why"))
    assert "not on record" in caplog.text


def test_the_journal_has_writes_and_the_audit_reads(world):
    path = world.path("folder", "recorded.txt")
    world.admin.put(path, content=b"x")
    world.admin.get(path)
    world.admin.delete(path)
    entries = world.admin.get("/journal/recent", params={"limit": 10}).json()["items"]
    kinds = [(item["kind"], item["entity"]) for item in entries]
    assert ("object_put", "folder/recorded.txt") in kinds and (
        "object_delete",
        "folder/recorded.txt",
    ) in kinds
    with world.api.deployed.connect() as connection:
        (count,) = connection.execute(
            "select count(*) from lakeward.audit_entry where operation = 'GET object' and door = 'rest'"
        ).fetchone()
    assert count >= 1
