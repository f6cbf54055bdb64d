"""Refresh by difference: only what came or changed is embedded, by hand or by policy, and stale is what is not yet."""

import asyncio
import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.db.database import open_database
from app.vectors.indexing import call_fresh
from app.vectors.refresh import defer_due
from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

DATA = Path(os.environ.get("LAKEWARD_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
KEV = DATA / "threat-intel" / "cisa-kev" / "known_exploited_vulnerabilities.json"


def real_rows(count: int) -> list[dict[str, str]]:
    """Known exploited vulnerabilities, or where the data is not: made-up sentences; each with another text."""
    if KEV.exists():
        entries = json.loads(KEV.read_text())["vulnerabilities"]
        found = [(v["cveID"], v["shortDescription"], v["vendorProject"]) for v in entries]
    else:
        # twelve words of 210, with few in common: a graph over near-duplicates may not reach each of them
        found = [
            (f"r{i}", " ".join(f"w{i * i * j % 211}" for j in range(1, 13)), f"v{i}") for i in range(1, 101)
        ]
    by_text = {text: {"id": key, "text": text, "vendor": vendor} for key, text, vendor in found}
    rows = list(by_text.values())[:count]
    assert len(rows) == count
    return rows


def to_csv(rows: list[dict[str, str]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def load(api: Api, dataset: str, rows: list[dict[str, str]], **form: str) -> None:
    ok(api.ingest(dataset, to_csv(rows), row_key="id", **form), 201)


def manifest(api: Api, name: str) -> dict[str, Any]:
    return dict(ok(api.admin.get(f"/catalog/datasets/by-name/{name}")))


def stale(client: Any) -> dict[str, Any]:
    return {item["index"]: item for item in ok(client.get("/vectors/stale"))["items"]}


def refresh(api: Api, name: str) -> tuple[int, int, int, int]:
    answer = ok(api.admin.post(f"/vectors/refresh/{name}"))
    assert answer["duration_ms"] > 0
    return answer["embedded"], answer["reused"], answer["removed"], answer["rejected"]


def execute(api: Api, *statements: str) -> None:
    with api.deployed.connect("owner") as connection:
        for statement in statements:
            connection.execute(statement)


def value(api: Api, statement: str) -> Any:
    with api.deployed.connect("owner") as connection:
        row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]


def test_what_comes_makes_it_stale_and_a_refresh_embeds_just_that(api: Api) -> None:
    rows = real_rows(54)
    load(api, "kev", rows[:20])
    view = {
        "name": "shown",
        "base_dataset": "kev",
        "columns": ["id", "text"],
        "row_filter": "vendor <> 'gone'",
    }
    ok(api.admin.post("/catalog/views", json=view), 201)
    api.index("kev", "text")
    api.index("shown", "text")
    assert manifest(api, "kev")["freshness"]["embedding"] == "fresh" and stale(api.admin) == {}

    load(api, "kev", rows[20:], disposition="append")
    before = manifest(api, "kev")
    assert before["freshness"]["embedding"] == "stale" and before["embedding_stale_since"]
    waiting = stale(api.admin)
    assert {name: item["stale_rows"] for name, item in waiting.items()} == {"kev_v1": 34, "shown_v1": 34}
    assert waiting["kev_v1"]["stale_since"] and waiting["kev_v1"]["refresh_policy"] == "manual"
    # the dataset's own index, and that of its view
    assert refresh(api, "shown") == (34, 0, 0, 0)
    assert refresh(api, "kev") == (34, 0, 0, 0)
    assert refresh(api, "kev") == (0, 0, 0, 0)
    after = manifest(api, "kev")
    assert after["freshness"]["embedding"] == "fresh" and after["embedding_stale_since"] is None
    assert stale(api.admin) == {}

    api.profile("reader", "shown")
    activation = ok(api.admin.post("/vectors/profile/reader/activate"))
    assert [(w["index"], w["vectors"]) for w in activation["warmed"]] == [("shown_v1", 54)]
    changed, filtered, tombstoned = rows[0], rows[21], rows[40]
    with api.reader("reader") as reader:

        def top(row: dict[str, str]) -> str:
            request = {"index": "shown_v1", "query": row["text"], "k": 3}
            answer = ok(reader.post("/vectors/profile/reader/search", json=request))
            assert answer["method"] == "hnsw"
            return str(answer["hits"][0]["doc_key"])

        assert [top(row) for row in (changed, filtered, tombstoned)] == [
            row["id"] for row in (changed, filtered, tombstoned)
        ]
        execute(
            api,
            f"update lake.kev set text = 'Entirely something else.' where id = '{changed['id']}'",
            f"update lake.kev set vendor = 'gone' where id = '{filtered['id']}'",
        )
        tombstone = {"row_key_column": "id", "row_key_values": [tombstoned["id"]], "reason": "asked for"}
        ok(api.admin.post("/catalog/datasets/by-name/kev/tombstone", json=tombstone))
        # before any refresh
        for row in (changed, filtered, tombstoned):
            assert top(row) != row["id"]
        assert {name: item["stale_rows"] for name, item in stale(reader).items()} == {"shown_v1": 1}
        assert refresh(api, "shown_v1") == (1, 0, 0, 0)
        assert top({"text": "Entirely something else."}) == changed["id"]


def test_an_update_of_another_column_embeds_nothing(api: Api) -> None:
    load(api, "plain", real_rows(12))
    name = api.index("plain", "text")
    written = value(api, f"select md5(array_agg(c order by c)::text) from vec.{name} c")
    execute(api, "update lake.plain set vendor = vendor || '!'", "update lake.plain set text = text")
    assert stale(api.admin).get(name) is None and manifest(api, "plain")["embedding_stale_since"] is None
    assert refresh(api, "plain") == (0, 0, 0, 0)
    assert value(api, f"select md5(array_agg(c order by c)::text) from vec.{name} c") == written


def test_a_text_that_is_there_already_is_not_embedded_again(api: Api) -> None:
    rows = real_rows(6)
    load(api, "twins", rows)
    name = api.index("twins", "text")
    # two rows with a text of the index, two with the same new text
    copies = [{**rows[0], "id": "a"}, {**rows[1], "id": "b"}]
    load(
        api,
        "twins",
        [*copies, *({"id": key, "text": "the same twice", "vendor": "v"} for key in "cd")],
        disposition="append",
    )
    assert refresh(api, "twins") == (1, 3, 0, 0)
    pairs = f"select count(distinct c.embedding::text) from vec.{name} c where c.row_key in ('a', '{rows[0]['id']}')"
    assert value(api, pairs) == 1
    assert value(api, pairs.replace("'a'", "'c'").replace(rows[0]["id"], "d")) == 1
    # the text of a row that is gone is gone: its vector is nowhere to be reused from
    execute(api, "delete from lake.twins where id in ('c', 'd')")
    assert value(api, f"select count(*) from vec.{name}_text where content = 'the same twice'") == 0
    execute(api, "insert into lake.twins (id, text, vendor) values ('e', 'the same twice', 'v')")
    assert refresh(api, "twins") == (1, 0, 0, 0)


def test_on_append_an_ingest_is_embedded_by_itself(api: Api) -> None:
    rows = real_rows(9)
    load(api, "auto", rows[:3])
    ok(api.admin.post("/catalog/datasets", json={"name": "auto", "embedding_refresh_policy": "on_append"}))
    name = api.index("auto", "text")
    by_hand = api.index("auto", "text", name="by_hand", refresh_policy="manual")
    load(api, "auto", rows[3:], disposition="append")
    jobs = ok(api.admin.get("/vectors/jobs", params={"kind": "index"}))["items"]
    (job,) = [j for j in jobs if j["subject"] == name and j["id"] == jobs[0]["id"]]
    done = api.wait(job["id"])
    assert done["state"] == "succeeded"
    assert {k: done["result"][k] for k in ("embedded", "reused", "removed", "rejected")} == {
        "embedded": 6,
        "reused": 0,
        "removed": 0,
        "rejected": 0,
    }
    assert set(stale(api.admin)) >= {by_hand} and name not in stale(api.admin)
    # an index that waits keeps its dataset stale
    assert manifest(api, "auto")["freshness"]["embedding"] == "stale"


async def test_what_is_due_by_policy_is_deferred_and_nothing_else(api: Api, database_of: Any) -> None:
    rows = real_rows(4)
    for name, policy in (("timed", "scheduled"), ("eager", "on_append"), ("manually", "manual")):
        load(api, name, rows)
        policies = {"embedding_refresh_policy": policy, "embedding_refresh_s": 600}
        assert (
            ok(api.admin.post("/catalog/datasets", json={"name": name, **policies}))["embedding_refresh_s"]
            == 600
        )
        api.index(name, "text")
        execute(api, f"update lake.{name} set text = text || '!'")
    names = {"timed_v1", "eager_v1", "manually_v1"}
    # a job ended just now
    assert not names & set(await defer_due(database_of))
    execute(api, "update lakeward.job set finished_at = now() - interval '2 minutes'")
    assert names & set(await defer_due(database_of)) == {"eager_v1"}
    execute(
        api,
        "update lakeward.job set finished_at = now() - interval '11 minutes'",
        "update lakeward.vector_index set last_embedded_at = now() - interval '11 minutes' where name = 'timed_v1'",
    )
    assert "timed_v1" in await defer_due(database_of)
    for job in ok(api.admin.get("/vectors/jobs", params={"kind": "index"}))["items"]:
        api.wait(job["id"])
    assert names & set(stale(api.admin)) == {"manually_v1"}


def test_more_than_a_little_is_a_job_that_is_not_deferred_twice(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(api, "many", real_rows(30))
    name = api.index("many", "text")
    execute(api, "update lake.many set text = text || '!'")
    monkeypatch.setattr("app.vectors.refresh.MAX_ROWS_AT_ONCE", 10)
    accepted = ok(api.admin.post("/vectors/refresh/many"), 202)
    assert accepted["jobs"] == [{"index": name, "job_id": accepted["job_id"]}]
    assert api.wait(accepted["job_id"])["result"]["embedded"] == 30
    assert stale(api.admin).get(name) is None


def test_who_may_refresh_and_who_sees_what_is_stale(api: Api) -> None:
    load(api, "secret", real_rows(3))
    load(api, "open", real_rows(3))
    for name in ("secret", "open"):
        api.index(name, "text")
        execute(
            api, f"update lake.{name} set text = text || '!' where id = (select min(id) from lake.{name})"
        )
    api.profile("outsider", "open")
    with api.reader("outsider") as reader:
        seen = stale(reader)
        assert set(seen) == {"open_v1"} and seen["open_v1"]["stale_rows"] == 1
        assert seen["open_v1"]["rejected_rows"] is None
        problem(reader.post("/vectors/refresh/open"), 403, "forbidden")
        problem(reader.get("/vectors/indexes/open_v1/rejected"), 403, "forbidden")
    assert {"secret_v1", "open_v1"} <= set(stale(api.admin))
    page = ok(api.admin.get("/vectors/stale", params={"limit": 1}))
    assert len(page["items"]) == 1 and page["next_cursor"]
    problem(api.admin.post("/vectors/refresh/nothing"), 404, "not_found")
    load(api, "bare", real_rows(1))
    assert "has no index" in problem(api.admin.post("/vectors/refresh/bare"), 404, "not_found")["detail"]
    bad = {"name": "open", "embedding_refresh_s": 5}
    problem(api.admin.post("/catalog/datasets", json=bad), 400, "invalid_input")


@pytest.fixture
async def database_of(api: Api) -> Any:
    """The API's database, as its worker has it open."""
    from app.db.database import open_database

    database = await open_database(api.deployed.service_dsn, api.settings)
    yield database
    await database.close()


async def test_a_load_and_the_end_of_a_refresh_do_not_wait_for_each_other(api: Api) -> None:
    """A load has the dataset's row before its rows make the dataset stale; the end of a refresh needs both as well."""
    rows = real_rows(12)
    load(api, "both", rows[:10])
    api.index("both", "text", name="both_v1")
    database = await open_database(api.deployed.service_dsn, api.settings)
    try:
        with api.deployed.connect("owner") as loading, api.deployed.connect() as watching:
            loading.execute("begin")
            loading.execute("update lakeward.dataset set version = version + 1 where name = 'both'")
            ending = asyncio.create_task(call_fresh(database.owner(), "both_v1", embedded=True))
            waiting = (
                "select count(*) from pg_locks where not granted and database = (select oid from pg_database "
            )
            waiting += "where datname = current_database()) or not granted and locktype = 'transactionid'"
            async with asyncio.timeout(10):
                while watching.execute(waiting).fetchone() == (0,):
                    await asyncio.sleep(0.02)
            loading.execute("insert into lake.both (id, text, vendor) values ('late', 'a late row', 'x')")
            loading.execute("commit")
            async with asyncio.timeout(10):
                await ending
    finally:
        await database.close()
    assert manifest(api, "both")["freshness"]["embedding"] == "stale"


def test_a_refresh_says_in_which_indexes_rows_were_set_aside(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(api, "long", [{"id": "a", "text": "short", "other": "short"}])
    api.index("long", "text")
    name = api.index("long", "other", name="long_other")
    monkeypatch.setattr("app.vectors.refresh_statements.MAX_ROW_BYTES", 100)
    load(api, "long", [{"id": "b", "text": "brief", "other": "long " * 30}], disposition="append")
    answer = ok(api.admin.post("/vectors/refresh/long"))
    assert (answer["embedded"], answer["rejected"], answer["rejected_in"]) == (1, 1, [name])
    [row] = ok(api.admin.get(f"/vectors/indexes/{name}/rejected"))["items"]
    assert row["row_key"] == "b" and "at most 100" in row["reason"]
