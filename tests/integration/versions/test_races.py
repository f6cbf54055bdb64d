"""What happens at the same time as a change of the model: another change, a refresh, writers, a deletion."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psycopg

from tests.integration.api.conftest import Api, problem
from tests.integration.versions.conftest import ROWS
from tests.integration.versions.test_swap import TEXTS, change

SEARCH = "/vectors/profile/reader/search"


@contextmanager
def beside(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Each of them in a thread until the end; what one of them raises is raised."""
    over = threading.Event()
    failed: list[BaseException] = []

    def go(work: Callable[[threading.Event], None]) -> None:
        try:
            work(over)
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=go, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []


def until(over: threading.Event, act: Callable[[int], None], pause_s: float = 0.005) -> None:
    """`act` with 0, 1, 2 … until it is over, at least once."""
    n = 0
    while True:
        act(n)
        n += 1
        if over.wait(pause_s):
            return


def searches(
    client: httpx.Client, found: list[httpx.Response], index: str = "notes_v1"
) -> Callable[[int], None]:
    def search(n: int) -> None:
        body = {"index": index, "query": TEXTS[n % ROWS], "k": 5}
        found.append(client.post(SEARCH, json=body))

    return search


def test_of_two_changes_at_once_one_is_told_to_wait(swapping: Api) -> None:
    url = "/vectors/indexes/notes_v1/swap"
    answers: list[httpx.Response] = []

    def ask(_: threading.Event) -> None:
        with httpx.Client(base_url=swapping.url, headers=swapping.admin.headers, timeout=30) as admin:
            answers.append(admin.post(url, json={"model": "other"}))

    with beside(*[ask] * 6):
        pass
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len(accepted) == 1, [answer.text for answer in answers]
    for answer in answers:
        if answer is not accepted[0]:
            assert "is under way" in problem(answer, 409, "conflict")["detail"]
    assert swapping.wait(accepted[0].json()["job_id"])["state"] == "succeeded"
    assert change(swapping, "rollback")["state"] == "succeeded"


def test_writers_and_refreshes_beside_changes_leave_each_row_as_it_is(swapping: Api) -> None:
    """Four writers, a refresh after the other and searches, while the model is changed and changed back."""
    texts = dict(enumerate(TEXTS))
    found: list[httpx.Response] = []

    def write(part: int) -> Callable[[threading.Event], None]:
        def work(over: threading.Event) -> None:
            with psycopg.connect(swapping.deployed.dsn, autocommit=True) as admin:

                def act(n: int) -> None:
                    row = (n * 4 + part) % 40
                    texts[row] = f"written {n} by{part} r{row}x{n} words{n % 7}"
                    admin.execute("update lake.notes set t = %s where id = %s", [texts[row], row])

                until(over, act)

        return work

    def refresh(over: threading.Event) -> None:
        with httpx.Client(base_url=swapping.url, headers=swapping.admin.headers, timeout=60) as admin:

            def act(_: int) -> None:
                answer = admin.post("/vectors/refresh/notes")
                # the live version's model may have been changed between the look and the work
                assert answer.status_code in (200, 202), answer.text

            until(over, act, 0.1)

    with beside(
        *[write(part) for part in range(4)],
        refresh,
        lambda over: until(over, searches(swapping.reader("reader"), found)),
    ):
        swapped = change(swapping, "swap", model="other", force=True)
        back = change(swapping, "rollback")
    assert (swapped["state"], back["state"]) == ("succeeded", "succeeded"), (swapped, back)
    assert {answer.status_code for answer in found} == {200}, [a.text for a in found if a.status_code != 200][
        :1
    ]
    settle(swapping)
    with psycopg.connect(swapping.deployed.dsn, autocommit=True) as admin:
        for (table,) in admin.execute(
            "select table_name from lakeward.vector_index where state = 'live'"
        ).fetchall():
            rows = admin.execute(
                f'select c.row_key, t.content from vec."{table}" c join vec."{table}_text" t using (chunk_id)'.encode()
            ).fetchall()
            assert dict(rows) == texts, "a chunk is of a text that the row does not have any more"
            assert len(rows) == ROWS


def settle(api: Api) -> None:
    """Nothing waits to be embedded, and no job is under way."""
    for _ in range(20):
        answer = api.admin.post("/vectors/refresh/notes")
        assert answer.status_code in (200, 202), answer.text
        if answer.status_code == 202:
            for job in answer.json()["jobs"]:
                api.wait(job["job_id"])
        if not api.admin.get("/vectors/stale").json()["items"]:
            return
    raise AssertionError("it does not come to rest")


def test_an_index_that_is_deleted_while_it_is_changed_and_searched_is_gone(swapping: Api) -> None:
    assert swapping.index("notes", "t", name="doomed")
    found: list[httpx.Response] = []
    with beside(*[lambda over: until(over, searches(swapping.reader("reader"), found, "doomed"))] * 3):
        accepted = swapping.admin.post("/vectors/indexes/doomed/swap", json={"model": "other"})
        assert accepted.status_code == 202, accepted.text
        gone = swapping.admin.delete("/vectors/indexes/doomed")
        assert gone.status_code == 200, gone.text
        job = swapping.wait(accepted.json()["job_id"])
    assert job["state"] in ("failed", "cancelled"), job
    if job["state"] == "failed":
        assert job["error"]["code"] == "not_found", job
    codes = {answer.status_code for answer in found}
    assert codes <= {200, 404} and 404 in codes, [a.text for a in found if a.status_code not in (200, 404)][
        :1
    ]
    with psycopg.connect(swapping.deployed.dsn) as admin:
        left = admin.execute("select relname from pg_class where relname like '%doomed%'").fetchall()
        assert left == []


def test_a_profile_that_is_deleted_while_it_searches_is_refused_from_then_on(swapping: Api) -> None:
    swapping.profile("leaving", "notes")
    client, found = swapping.reader("leaving"), []

    def search(n: int) -> None:
        body = {"index": "notes_v1", "query": TEXTS[n % ROWS], "k": 5}
        found.append(client.post("/vectors/profile/leaving/search", json=body))

    with beside(*[lambda over: until(over, search)] * 3):
        while not found:
            pass
        assert swapping.admin.delete("/catalog/profiles/leaving").status_code == 200
        assert (
            client.post(
                "/vectors/profile/leaving/search", json={"index": "notes_v1", "query": "x"}
            ).status_code
            == 401
        )
    codes = {answer.status_code for answer in found}
    assert codes <= {200, 401, 403, 404}, [a.text for a in found if a.status_code >= 500][:1]
    assert 200 in codes


def test_more_hits_than_the_beam_are_answered(swapping: Api) -> None:
    assert swapping.admin.post("/vectors/profile/reader/activate").json()["failures"] == []
    with swapping.reader("reader") as reader:
        for k in (31, 200, 299):
            answer = reader.post(SEARCH, json={"index": "notes_v1", "query": "anything", "k": k})
            assert answer.json()["returned"] == k and answer.json()["truncated"] is False, answer.text
