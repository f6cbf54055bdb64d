"""`lakeward query`, in a process of its own, against a real API."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.integration.api.conftest import serving, settings_for

ROOT = Path(__file__).resolve().parents[3]

FOREVER = "select value as n from generate_series(1, 100000000000)"
LATE = "select 10 / (value - 1000000) as n from generate_series(1, 2000000)"


@pytest.fixture(scope="module")
def api(clone):
    """An API that answers as many rows as one asks for."""
    with clone() as deployed:
        settings = settings_for(deployed)
        limits = msgspec.structs.replace(settings.query, max_rows=2**31 - 1, timeout_ms=60_000)
        with serving(deployed, msgspec.structs.replace(settings, query=limits)) as running:
            yield running


@pytest.fixture
def command(api, monkeypatch, tmp_path):
    """The words of a command, for a process in an empty folder."""
    monkeypatch.setenv("LAKEWARD_URL", api.url)
    monkeypatch.setenv("LAKEWARD_API_KEY", api.admin.headers["X-API-Key"])
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return lambda *words: [sys.executable, "-m", "app.cli.main", "query", *words]


@pytest.fixture
def lakeward(command):
    """Run one."""

    def run(*words, code=0):
        done = subprocess.run(command(*words), capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def people(api):
    """A dataset and a reader of it who does not see one city."""
    cities = ('"Bern, ""old"""', "Rome", "Rome")
    rows = "id,city,born,amount\n" + "".join(
        f"{i},{cities[i % 3]},{1950 + i % 40}-01-01,{i}.5\n" for i in range(300)
    )
    api.ingest("people", rows).raise_for_status()
    api.admin.post(
        "/catalog/views",
        json={
            "name": "romans",
            "base_dataset": "people",
            "columns": ["id", "city"],
            "row_filter": "city = 'Rome'",
        },
    ).raise_for_status()
    api.profile("guide", "romans")


def test_files_of_every_format_have_the_same_rows(lakeward, people, tmp_path):
    sql = "select id, city, amount from people order by id"
    for ending in ("json", "ndjson", "csv", "arrow", "parquet"):
        told = lakeward(sql, "--out", f"all.{ending}").stdout
        assert told == f"all.{ending}: 300 rows, {(tmp_path / f'all.{ending}').stat().st_size:,} bytes\n"
    wanted = [tuple(row) for row in json.loads((tmp_path / "all.json").read_text())["rows"]]
    assert len(wanted) == 300 and wanted[0] == (0, 'Bern, "old"', 0.5)
    lines = (tmp_path / "all.ndjson").read_text().splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == wanted
    for table in (
        pyarrow.csv.read_csv(tmp_path / "all.csv"),
        pa.ipc.open_stream((tmp_path / "all.arrow").read_bytes()).read_all(),
        pyarrow.parquet.read_table(tmp_path / "all.parquet"),
    ):
        assert [tuple(row.values()) for row in table.to_pylist()] == wanted


def test_a_reader_gets_its_rows_and_is_told_when_there_are_more(lakeward, people):
    done = lakeward(
        "select city, id from romans", "--as", "guide", "--out", "r.csv", "--max-rows", "7", "--json"
    )
    assert json.loads(done.stdout) | {"bytes": 0} == {
        "file": "r.csv", "format": "csv", "rows": 7, "bytes": 0, "truncated": True,
    }  # fmt: skip
    refused = lakeward("select * from people", "--as", "guide", "--out", "r.csv", code=1)
    assert "people" in refused.stderr


def test_a_table_and_charts_in_a_pipe(lakeward, people):
    table = lakeward("select id, city from people order by id").stdout
    assert "\x1b" not in table and table.splitlines()[-2] == "… and 260 more rows: --out FILE has them all"
    bars = lakeward("select city, count(*) as n from people group by city order by n desc", "--chart").stdout
    assert bars.splitlines()[0] == "n by city" and bars.splitlines()[1].startswith("Rome        ████")
    line = lakeward("select born, sum(amount) as total from people group by born", "--chart").stdout
    assert line.splitlines()[0] == "total by born" and line.splitlines()[-2].split() == [
        "1950-01-01",
        "1989-01-01",
    ]
    assert "group by it" in lakeward("select born, amount from people", "--chart", code=1).stderr


@pytest.mark.parametrize("ending", ["json", "ndjson", "csv", "arrow", "parquet"])
def test_a_query_that_fails_on_its_way_leaves_the_old_file(lakeward, tmp_path, ending):
    out = tmp_path / f"old.{ending}"
    out.write_text("old")
    done = lakeward(LATE, "--out", str(out), code=1)
    assert ("broke off" if ending in ("csv", "arrow") else "zero") in done.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(out.name, "old")]


def test_ctrl_c_leaves_the_old_file(command, tmp_path):
    out = tmp_path / "old.csv"
    out.write_text("old")
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(command(FOREVER, "--out", str(out)), stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not [path for path in tmp_path.glob(".old.csv.*") if path.stat().st_size]:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=20) == 130
        process.stderr.close()
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old.csv", "old")]
