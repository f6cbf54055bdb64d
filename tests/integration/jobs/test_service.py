"""Deferring, watching and cancelling jobs, as the steward."""

import pytest

from app.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from app.jobs.models import Progress
from app.jobs.service import cancel_job, defer_job, get_job, list_jobs


async def defer(scope, kind="index"):
    async with scope.begin() as transaction:
        return await defer_job(
            transaction, kind=kind, subject="papers", args={"a": 1}, unit="rows", lock=None
        )


async def test_a_deferred_job_can_be_seen_and_has_no_progress_yet(database):
    job_id = await defer(database.steward())
    job = await get_job(database.steward(), job_id)
    assert (job.id, job.kind, job.subject, job.state) == (job_id, "index", "papers", "queued")
    assert job.progress == Progress(done=0, total=None, unit="rows", rate=None, eta_s=None)
    assert job.created_at.tzinfo is not None
    assert (job.started_at, job.finished_at, job.result, job.error) == (None, None, None, None)
    assert job.attempts == 0


async def test_a_rolled_back_transaction_leaves_no_job_and_nothing_in_the_queue(database):
    with pytest.raises(RuntimeError):
        async with database.owner().begin() as transaction:
            await defer_job(transaction, kind="index", subject="", args={}, unit="rows", lock=None)
            raise RuntimeError
    assert (await list_jobs(database.steward(), 10)).items == []
    assert await database.owner().fetch_value("select count(*) from jobs.procrastinate_jobs") == 0


async def test_the_bare_service_login_may_not_defer(database):
    with pytest.raises(ForbiddenError):
        await defer(database.service())


@pytest.mark.parametrize("verb", [get_job, cancel_job])
@pytest.mark.parametrize(
    "job_id", ["", "1", "x" * 5000, "2ba95a91-1ed9-41bc-b2a9-2ba7f5d5ff77", "\0", "' or 1=1"]
)
async def test_what_is_no_job_is_not_found(database, verb, job_id):
    with pytest.raises(NotFoundError):
        await verb(database.steward(), job_id)


async def test_lists_are_newest_first_paged_and_filtered(database):
    scope = database.steward()
    ids = [await defer(scope, "index" if n % 2 else "ingest") for n in range(5)]
    await cancel_job(scope, ids[4])
    pages, cursor = [], None
    while cursor or not pages:
        page = await list_jobs(scope, 2, cursor)
        pages.append([job.id for job in page.items])
        cursor = page.next_cursor
    newest = ids[::-1]
    assert pages == [newest[:2], newest[2:4], newest[4:]]
    assert [job.id for job in (await list_jobs(scope, 9, kind="index")).items] == [ids[3], ids[1]]
    assert [job.id for job in (await list_jobs(scope, 9, state="cancelled")).items] == [ids[4]]


@pytest.mark.parametrize("cursor", ["x", "e30", "WzEsMl0", "\0", "é", "A" * 400])
async def test_a_foreign_cursor_is_refused(database, cursor):
    with pytest.raises(InvalidInputError):
        await list_jobs(database.steward(), 10, cursor)


async def test_a_queued_job_is_cancelled_at_once_and_only_once(database):
    job_id = await defer(database.steward())
    job = await cancel_job(database.steward(), job_id)
    assert job.state == "cancelled"
    assert job.finished_at is not None
    with pytest.raises(ConflictError, match="cancelled"):
        await cancel_job(database.steward(), job_id)
