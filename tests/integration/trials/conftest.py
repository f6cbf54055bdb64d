"""An API with four hundred notes, an index of them and an eval set of its rows."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.integration.api.conftest import Api, serving, settings_for


def notes(count: int) -> str:
    """Texts of a hundred words at random, so that near and far mean something."""
    chosen = random.Random(7)
    rows = [f"{n},{' '.join(f'w{chosen.randrange(100)}' for _ in range(12))}" for n in range(count)]
    return "id,t\n" + "\n".join(rows) + "\n"


def prepare(api: Api) -> Api:
    """The notes, `notes_v1` and the eval set `rows`."""
    assert api.ingest("notes", notes(400), row_key="id").status_code == 201
    api.index("notes", "t", name="notes_v1")
    answer = api.admin.post("/vectors/hnsw/evals/rows/autogen", json={"index": "notes_v1", "queries": 60})
    assert answer.status_code == 200 and answer.json()["generated"] == 60, answer.text
    return api


@pytest.fixture(scope="module")
def measured(clone: Callable[[], AbstractContextManager[Any]]) -> Iterator[Api]:
    """The module's API."""
    with clone() as deployed, serving(deployed, settings_for(deployed)) as running:
        yield prepare(running)


def defer(api: Api, *arms: dict[str, Any], **fields: Any) -> str:
    """The id of a trial's job."""
    body = {"index": "notes_v1", "eval": "rows", "arms": list(arms), **fields}
    answer = api.admin.post("/vectors/hnsw/trial", json=body)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


def copies(api: Api) -> list[Any]:
    """The copies of trials that are there."""
    with api.deployed.connect("owner") as owner:
        return owner.execute(
            "select relname from pg_class where relname like '\\_trial\\_%' and relkind = 'r'"
        ).fetchall()


def journal(api: Api, job_id: str) -> list[dict[str, Any]]:
    """What a job has measured, newest first."""
    answer = api.admin.get("/vectors/hnsw/trials/notes_v1", params={"job": job_id})
    rows: list[dict[str, Any]] = answer.json()["items"]
    return rows
