"""/vectors/jobs over HTTP: the wire format, and that it is the admin's."""

from collections.abc import AsyncIterator

import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.testing import AsyncTestClient

from app.jobs.routes import router
from app.jobs.service import defer_job
from app.web.identity import LOCAL_ADMIN, Principal
from app.web.parameters import guard_parameters
from app.web.problems import EXCEPTION_HANDLERS

READER = Principal(id="r", name="r", kind="reader", access_role="analyst", profile="p1", role_name="x")


def client_of(database, principal):
    app = Litestar(
        [router],
        guards=[guard_parameters],
        dependencies={
            "principal": Provide(lambda: principal, sync_to_thread=False),
            "database": Provide(lambda: database, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
    )
    return AsyncTestClient(app)


@pytest.fixture
async def client(database) -> AsyncIterator[AsyncTestClient]:
    async with client_of(database, LOCAL_ADMIN) as opened:
        yield opened


async def defer(database, kind="index"):
    async with database.steward().begin() as transaction:
        return await defer_job(
            transaction, kind=kind, subject="papers", args={"dsn": "secret"}, unit="rows", lock=None
        )


async def test_a_job_on_the_wire(database, client):
    job_id = await defer(database)
    job = (await client.get(f"/vectors/jobs/{job_id}")).json()
    assert job.pop("created_at")
    assert job == {
        "id": job_id,
        "kind": "index",
        "subject": "papers",
        "state": "queued",
        "progress": {"done": 0, "total": None, "unit": "rows", "rate": None, "eta_s": None},
        "error": None,
        "result": None,
        "started_at": None,
        "finished_at": None,
        "attempts": 0,
    }


async def test_the_list_is_paged_and_filtered(database, client):
    ids = [await defer(database, kind) for kind in ("index", "ingest", "index")]
    first = (await client.get("/vectors/jobs", params={"limit": 2})).json()
    assert [job["id"] for job in first["items"]] == [ids[2], ids[1]]
    rest = (await client.get("/vectors/jobs", params={"cursor": first["next_cursor"]})).json()
    assert [job["id"] for job in rest["items"]] == [ids[0]]
    assert rest["next_cursor"] is None
    only = (await client.get("/vectors/jobs", params={"kind": "ingest", "state": "queued"})).json()
    assert [job["id"] for job in only["items"]] == [ids[1]]


async def test_delete_cancels_once(database, client):
    job_id = await defer(database)
    answer = await client.delete(f"/vectors/jobs/{job_id}")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    again = await client.delete(f"/vectors/jobs/{job_id}")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "state=done",
        "kind=%00",
        "kind=A",
        "cursor=x",
        "cursor=%00",
        "sate=queued",
    ],
)
async def test_wrong_parameters_are_refused(client, query):
    answer = await client.get(f"/vectors/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


async def test_a_parameter_is_called_in_an_error_as_in_the_request(client):
    detail = (await client.get("/vectors/jobs?state=foo")).json()["detail"]
    assert detail.startswith("state: ") and "only_state" not in detail and "queued" in detail


@pytest.mark.parametrize("job_id", ["1", "%00", "x" * 3000, "00000000-0000-0000-0000-000000000000"])
async def test_what_is_no_job_is_404(client, job_id):
    for answer in (
        await client.get(f"/vectors/jobs/{job_id}"),
        await client.delete(f"/vectors/jobs/{job_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_jobs_are_the_admins(database):
    job_id = await defer(database)
    async with client_of(database, READER) as reader:
        answers = [
            await reader.get("/vectors/jobs"),
            await reader.get(f"/vectors/jobs/{job_id}"),
            await reader.delete(f"/vectors/jobs/{job_id}"),
        ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
