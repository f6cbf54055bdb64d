"""kill -9 at any moment loses nothing that was acknowledged and leaves nothing half-visible."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import httpx

from tests.faults.conftest import Home, wait_for_job

ROWS = 30_000
CSV = "id,text\n" + "\n".join(f"{n},row number{n} of w{n % 900} and w{n % 77}" for n in range(ROWS))
LEFTOVERS = (
    "select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'lake'"
)


def _ingest(client: httpx.Client, **query: str) -> httpx.Response:
    files = {"file": ("rows.csv", CSV.encode())}
    return client.post("/ingest/file", files=files, data={"dataset": "rows", "row_key": "id"}, params=query)


def test_killed_during_ingest_there_is_no_half_dataset(home: Home) -> None:
    client = home.up()

    def send() -> None:
        with contextlib.suppress(httpx.TransportError):
            _ingest(client)

    sender = threading.Thread(target=send)
    sender.start()
    # in the middle of the load: its table is there, the dataset is not
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not home.query(LEFTOVERS):
        time.sleep(0.005)
    home.kill()
    sender.join()
    client = home.up()
    assert home.query(LEFTOVERS) == []
    assert client.get("/catalog/datasets/by-name/rows").status_code == 404
    assert _ingest(client).json()["rows"] == ROWS
    assert not list((home.path / "uploads").iterdir())


def test_killed_during_indexing_the_job_completes_and_embeds_no_written_chunk_again(home: Home) -> None:
    client = home.up()
    assert _ingest(client).status_code == 201
    job = client.post("/vectors/index", json={"source": "rows", "text_columns": ["text"]}).json()["job_id"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if client.get(f"/vectors/jobs/{job}").json()["progress"]["done"] > 2_000:
            break
        time.sleep(0.05)
    home.kill()
    written = home.query("select max(chunk_id), count(*) from vec.rows_v1")[0]
    assert 0 < written[1] < ROWS
    client = home.up()
    assert wait_for_job(client, job)["state"] == "succeeded"
    total, keys, kept = home.query(
        "select count(*), count(distinct row_key), "
        f"count(*) filter (where chunk_id <= {written[0]}) from vec.rows_v1"
    )[0]
    assert total == keys == ROWS
    assert kept == written[1], "what was written before the kill is still there, and was not made anew"
    assert home.query("select count(*) from vec.rows_v1_text") == [(ROWS,)]
    assert home.query("select count(*) from vec.rows_v1_pending") == [(0,)]


def test_killed_with_a_load_in_the_queue_the_load_is_done_by_the_next_server(home: Home) -> None:
    client = home.up()
    accepted = _ingest(client, **{"async": "true"})
    assert accepted.status_code == 202
    home.kill()
    client = home.up()
    assert wait_for_job(client, accepted.json()["job_id"])["state"] == "succeeded"
    assert client.get("/catalog/datasets/by-name/rows").json()["row_count"] == ROWS


def _kill_postgres(home: Home) -> int:
    pid = int((home.path / "pg" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    return pid


def _ask_until(client: httpx.Client, status: int, within_s: float) -> httpx.Response:
    deadline = time.monotonic() + within_s
    while True:
        answer = client.get("/catalog/datasets")
        if answer.status_code == status:
            return answer
        assert answer.status_code in (200, 503) and time.monotonic() < deadline, answer.text
        time.sleep(0.01)


def test_postgres_killed_the_api_says_503_and_postgres_comes_back_by_itself(home: Home) -> None:
    """Twice: what was started again is watched, too."""
    client = home.up()
    assert _ingest(client).status_code == 201
    pids = set()
    for _ in range(2):
        pids.add(_kill_postgres(home))
        answer = _ask_until(client, 503, within_s=10)
        assert answer.json()["code"] == "unavailable" and int(answer.headers["retry-after"]) > 0
        assert client.get("/health").status_code == 200
        assert _ask_until(client, 200, within_s=60).json()["items"][0]["row_count"] == ROWS
    assert client.get("/ready").status_code == 200
    # the worker is back, too
    job = client.post("/vectors/index", json={"source": "rows", "text_columns": ["text"]}).json()["job_id"]
    assert wait_for_job(client, job)["state"] == "succeeded"
    assert len(pids) == 2
    assert home.process is not None and home.process.stdout is not None
    home.process.send_signal(signal.SIGTERM)
    assert home.process.wait(timeout=20) == 0
    assert not (home.path / "pg" / "postmaster.pid").exists()
    said = home.process.stdout.read()
    # once when the second came before the first was over
    assert f"Postgres of {home.path} is gone" in said and f"Postgres of {home.path} is up again" in said


def test_a_second_server_on_the_home_is_told_where_the_first_is(home: Home) -> None:
    home.up()
    command = [sys.executable, "-m", "app.cli.main", "up", "--home", str(home.path), "--port", "1"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert f"http://127.0.0.1:{home.port}" in second.stderr
    assert "Traceback" not in second.stderr


def test_sigterm_stops_everything_in_order(home: Home) -> None:
    home.up()
    assert home.process is not None
    home.process.send_signal(signal.SIGTERM)
    assert home.process.wait(timeout=20) == 0
    assert not (home.path / "pg" / "postmaster.pid").exists()
