"""A server of one's own, as docker/ has it: migrate, serve and worker are processes that share a home."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.db.cluster import bin_dir_of
from app.db.deployment import find_credentials

INITDB = Path(__file__).parents[3] / "docker" / "initdb" / "10_lakeward.sh"
#: What a URL or a line of SQL would stumble over.
PASSWORD = "ad/m@in:'%20"
PEOPLE = (
    b"id,team,note\n1,compilers,writes parsers\n2,systems,found a moth in a relay\n3,systems,plots orbits\n"
)


@pytest.fixture
def owned(cluster: Any) -> Iterator[str]:
    """docker/initdb has run here; the URL, without a password, of the database and login that it made."""
    if os.environ.get("LAKEWARD_TEST_DATABASE_URL"):
        pytest.skip("the names that docker/initdb gives may be taken on a server that is shared")
    server = conninfo_to_dict(cluster.admin_dsn)
    environ = {
        "PATH": f"{bin_dir_of(18)}:{os.environ['PATH']}",
        "PGHOST": str(server["host"]),
        "PGPORT": str(server["port"]),
        "PGPASSWORD": str(server["password"]),
        "POSTGRES_USER": str(server["user"]),
        "LAKEWARD_ADMIN_PASSWORD": PASSWORD,
    }
    try:
        with cluster.alone():
            subprocess.run([INITDB], env=environ, check=True, capture_output=True, timeout=30)
            yield make_conninfo(host=server["host"], port=server["port"], user="lakeward", dbname="lakeward")
    finally:
        cluster.drop_database("lakeward")
        _drop_roles(cluster)


def _drop_roles(cluster: Any) -> None:
    """The login, the deployment's roles, which it created, and the profiles', which those did: the last made first."""
    with cluster.connect() as connection:
        made = connection.execute(
            "with recursive made (oid, depth) as (select oid, 0 from pg_roles where rolname = 'lakeward'"
            " union all select m.roleid, depth + 1 from pg_auth_members m"
            " join made on made.oid = m.member where m.admin_option)"
            " select rolname from pg_roles join made using (oid) group by rolname order by max(depth) desc"
        ).fetchall()
        for (role,) in made:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that does not exist yet."""
    folder = Path(tempfile.mkdtemp(prefix="lwe"))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def start(command: str, url: str, home: Path, *options: str, **environ: str) -> subprocess.Popen[str]:
    """`lakeward COMMAND` over the database at `url`."""
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", command, "--home", str(home), *options],
        env={
            **os.environ,
            "LAKEWARD_DATABASE_URL": url,
            "LAKEWARD_MODELS_EMBED_PROVIDER": "fake",
            "PYTHONUNBUFFERED": "1",
            **environ,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop(process: subprocess.Popen[str]) -> tuple[int, str]:
    """SIGTERM, as a container is stopped; the exit code, and all that it said."""
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=20)
    return process.returncode, said


def wait_for(client: httpx.Client, path: str, field: str, value: str, process: subprocess.Popen[str]) -> Any:
    """The answer, when its `field` is `value`; `process` has to live until then."""
    deadline = time.monotonic() + 60
    answer: Any = None
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        try:
            answer = client.get(path).json()
        except httpx.TransportError:
            answer = {}
        if answer.get(field) == value:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{path} answers {answer}")


def use(client: httpx.Client, worker: subprocess.Popen[str]) -> None:
    """A file goes in, the worker loads and indexes it, a profile finds and counts its rows."""
    data = {"dataset": "people", "row_key": "id"}
    loading = client.post("/ingest/file?async=true", files={"file": ("p.csv", PEOPLE)}, data=data)
    assert loading.status_code == 202, loading.text
    wait_for(client, f"/vectors/jobs/{loading.json()['job_id']}", "state", "succeeded", worker)
    index = client.post("/vectors/index", json={"source": "people", "text_columns": ["note"]}).json()
    wait_for(client, f"/vectors/jobs/{index['job_id']}", "state", "succeeded", worker)
    profile = {"id": "reader", "description": "reads", "bound_datasets": ["people"]}
    assert client.post("/catalog/profiles", json=profile).status_code == 201
    assert client.post("/vectors/profile/reader/activate").json()["failures"] == []
    question = {"index": index["index"], "query": "found a moth in a relay", "k": 1}
    found = client.post("/vectors/profile/reader/search", json=question).json()
    assert (found["method"], found["hits"][0]["doc_key"]) == ("hnsw", "2")
    key = client.post("/access/keys", json={"name": "r", "kind": "reader", "profile": "reader"}).json()["key"]
    query = {"sql": "select team, count(*) as n from people group by team order by team"}
    answer = client.post("/query/sql", json=query, headers={"X-API-Key": key}).json()
    assert answer["rows"] == [["compilers", 1], ["systems", 2]]


def test_migrate_serve_and_worker_over_a_server_that_is_named(cluster: Any, owned: str, home: Path):
    migrating = start("migrate", owned, home, PGPASSWORD=PASSWORD)
    said, _ = migrating.communicate(timeout=60)
    assert migrating.returncode == 0, said
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with ExitStack() as stack:
        # neither knows the password of the login that migrates
        api = stack.enter_context(start("serve", owned, home, "--port", str(port)))
        stack.callback(api.kill)
        worker = stack.enter_context(start("worker", owned, home))
        stack.callback(worker.kill)
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        wait_for(client, "/ready", "policies", "verified", api)
        client.headers["X-API-Key"] = (home / "admin.key").read_text().strip()
        use(client, worker)
        credentials = find_credentials(home)
        assert credentials is not None
        with cluster.connect() as connection:
            logins = connection.execute(
                "select distinct usename from pg_stat_activity where datname = 'lakeward'"
                " and backend_type = 'client backend'"
            ).fetchall()
        assert logins == [(credentials.user,)]
        for process in (api, worker):
            code, said = stop(process)
            assert code == 0, said
            assert "Traceback" not in said
    assert not (home / "pg").exists()


def test_what_is_not_migrated_is_said_in_one_line(owned: str, home: Path):
    for command in ("serve", "worker"):
        process = start(command, owned, home)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert said.strip().endswith("has no service credentials yet; run: lakeward migrate"), said
        assert "Traceback" not in said


def test_the_login_of_initdb_is_no_superuser(owned: str):
    with psycopg.connect(owned, password=PASSWORD) as connection:
        found = connection.execute(
            "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
        ).fetchone()
        assert found == (False, True, False)
        assert connection.info.parameter_status("server_encoding") == "UTF8"


def test_what_all_share_is_closed_to_readers_and_open_to_the_service(owned: str, home: Path):
    migrating = start("migrate", owned, home, PGPASSWORD=PASSWORD)
    said, _ = migrating.communicate(timeout=60)
    assert migrating.returncode == 0, said
    credentials = find_credentials(home)
    assert credentials is not None
    with psycopg.connect(owned, password=PASSWORD) as connection:
        for function in (
            "pg_advisory_lock(bigint)",
            "pg_try_advisory_xact_lock_shared(int, int)",
            "lo_create(oid)",
        ):
            held = connection.execute(
                "select has_function_privilege('public', %(f)s, 'execute'), "
                "has_function_privilege(%(service)s, %(f)s, 'execute')",
                {"f": function, "service": credentials.user},
            ).fetchone()
            assert held == (False, True), function
        public = connection.execute(
            "select datname from pg_database cross join aclexplode(coalesce(datacl, acldefault('d', datdba))) a "
            "where a.grantee = 0 and a.privilege_type = 'CONNECT' and datname in ('postgres', 'template1')"
        ).fetchall()
        assert public == []
