"""100,000 candidates behind a view, as people run it: three tombstones take the count to 99,997 in every door at once.

It stays so after a restart, and after the file comes again.
"""

import contextlib
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.cli.demo_people import COLUMNS, build_candidates
from app.cli.psql import short_login
from app.db.embedded import find_running
from app.db.target import service_dsn
from app.settings import load_settings
from tests.faults.conftest import Home, wait_for_job

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROWS = 100_000


def load(client: httpx.Client, content: bytes, **form: str) -> dict[str, Any]:
    """The file, through a job when the server says so."""
    data = {"dataset": "candidates", "row_key": "candidate_id", **form}
    answer = client.post("/ingest/file", files={"file": ("candidates.csv", content)}, data=data, timeout=300)
    assert answer.status_code in (200, 201, 202), answer.text
    if answer.status_code == 202:
        job = wait_for_job(client, answer.json()["job_id"], 300)
        assert job["state"] == "succeeded", job
        return dict(job["result"])
    return dict(answer.json())


def doors(home: Home, client: httpx.Client, reader: httpx.Client) -> list[int]:
    """The rows as the admin, the manifest, SQL over the view, the index and two persons in psql count them."""
    admin = client.post("/query/sql", json={"sql": "select count(*) from candidates"}).json()["rows"][0][0]
    manifest = client.get("/catalog/datasets/by-name/candidates").json()["row_count"]
    view = reader.post("/query/sql", json={"sql": "select count(*) from candidates_safe"}).json()["rows"][0][
        0
    ]
    index = client.get("/vectors/indexes/candidates_safe_v1").json()
    return [admin, manifest, view, index["documents"], *in_psql(home)]


def in_psql(home: Home) -> list[int]:
    """What a person counts who is the raw profile, and one who is the safe one."""
    server = find_running(home.path)
    assert server is not None
    dsn = service_dsn(load_settings({}, home=home.path), server.admin_dsn("lakeward"))
    counts: list[int] = []
    for profile, relation in (("raw", "candidates"), ("safe", "candidates_safe")):
        with short_login(dsn, profile) as login:
            own = make_conninfo(dsn, user=login.user, password=login.password)
            with psycopg.connect(own, autocommit=True) as person:
                query = sql.SQL("select count(*) from {}").format(sql.Identifier(relation))
                counts += [row[0] for row in person.execute(query)]
    return counts


def is_found(reader: httpx.Client, summary: str, email_hash: str) -> bool:
    """Whether the candidate is among the 1,000 nearest to its own summary; many summaries are the same."""
    request = {"index": "candidates_safe_v1", "query": summary, "k": 1000}
    answer = reader.post("/vectors/profile/safe/search", json=request)
    assert answer.status_code == 200, answer.text
    return email_hash in {hit["metadata"]["email"] for hit in answer.json()["hits"]}


VIEW = {
    "name": "candidates_safe",
    "base_dataset": "candidates",
    "columns": [column for column in COLUMNS if column != "hourly_rate"],
    "row_filter": "years_experience between 1 and 28",
    "redactions": {
        "candidate_id": {"action": "mask", "keep_prefix": 2, "keep_suffix": 0},
        "email": {"action": "hash"},
        "name": {"action": "mask_alphanum"},
    },
}


def prepare(client: httpx.Client, content: bytes) -> None:
    """The rows, the view, an index over it, two profiles."""
    assert load(client, content)["rows"] == ROWS
    assert client.post("/catalog/views", json=VIEW).status_code == 201
    built = client.post("/vectors/index", json={"source": "candidates_safe", "text_columns": ["summary"]})
    job = wait_for_job(client, built.json()["job_id"], 600)
    assert job["state"] == "succeeded", job
    for profile, relation in (("raw", "candidates"), ("safe", "candidates_safe")):
        made = client.post("/catalog/profiles", json={"id": profile, "bound_datasets": [relation]})
        assert made.status_code == 201, made.text


def test_a_hundred_thousand_candidates(home: Home) -> None:
    content = build_candidates(ROWS)
    dead = ["C-00042", "C-31337", "C-99999"]
    with contextlib.closing(home.up()) as client:
        prepare(client, content)
        key = client.post("/access/keys", json={"name": "s", "kind": "reader", "profile": "safe"}).json()[
            "key"
        ]
        reader = httpx.Client(base_url=client.base_url, headers={"X-API-Key": key}, timeout=60)
        assert doors(home, client, reader) == [ROWS] * 6
        shown = reader.post("/query/sql", json={"sql": "select * from candidates_safe limit 5"}).json()
        assert [column["name"] for column in shown["columns"]] == VIEW["columns"]
        assert all(row[0] == "C-*****" or row[0] == "C-******" for row in shown["rows"])
        for hidden in ("hourly_rate", "candidates.email"):
            refused = reader.post("/query/sql", json={"sql": f"select {hidden} from candidates_safe"})
            assert refused.status_code == 400
        summary, email = subject(home, dead[0])
        assert is_found(reader, summary, email)

        body = {"row_key_column": "candidate_id", "row_key_values": dead, "reason": "asked to be forgotten"}
        path = "/catalog/datasets/by-name/candidates/tombstone"
        assert client.post(path, json=body).json()["tombstoned"] == 3
        assert doors(home, client, reader) == [ROWS - 3] * 6
        assert not is_found(reader, summary, email)
        home.kill()
    with contextlib.closing(home.up()) as client:
        reader = httpx.Client(base_url=client.base_url, headers={"X-API-Key": key}, timeout=60)
        assert doors(home, client, reader) == [ROWS - 3] * 6
        assert load(client, content)["duplicate"] is True
        for disposition, end in (("merge", b"\n"), ("replace", b"\n\n")):
            # the same people, not the same bytes
            again = load(client, content + end, disposition=disposition)
            assert not again["duplicate"] and again["tombstoned"] == 3
        assert doors(home, client, reader) == [ROWS - 3] * 6
        assert not is_found(reader, summary, email)
        assert client.post(f"{path}/undo", json=body).json()["restored"] == 3
        counted = doors(home, client, reader)
        assert counted[:3] + counted[4:] == [ROWS] * 5


def subject(home: Home, key: str) -> tuple[str, str]:
    """A candidate's summary, and its e-mail as the view shows it."""
    (row,) = home.query(
        "select d.summary, encode(sha256(s.hmac_outer || sha256(s.hmac_inner || convert_to(d.email, 'UTF8'))), 'hex')"
        f" from lake.candidates d, lakeward.secret s where d.candidate_id = '{key}'"
    )
    return row[0], row[1]
