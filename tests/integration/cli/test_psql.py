import getpass
import os
import shutil
import subprocess

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from app.cli.main import main
from app.cli.psql import find_target, short_login
from app.errors import NotFoundError, UnavailableError
from app.settings import Settings

needs_psql = pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")


def logins(deployed):
    with deployed.connect() as connection:
        rows = connection.execute(
            "select rolname from pg_roles where rolname like %s", ["%\\_psql\\_%"]
        ).fetchall()
    return [name for (name,) in rows]


@pytest.fixture
def run(world, monkeypatch, capfd, tmp_path):
    """`run("--as", "alpha", "-Atc", "select 1")`: psql's exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEWARD_HOME", str(world.deployed.home))
    monkeypatch.setenv("LAKEWARD_DATABASE_URL", world.deployed.dsn)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["lakeward", "psql", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return ended.value.code, captured.out, captured.err

    return call


@needs_psql
def test_a_reader_sees_its_world_and_its_login_is_gone_afterwards(run, world):
    code, out, err = run("--as", "alpha", "-AtXc", r"\d", "-c", "select name from people order by id")
    assert code == 0, err
    assert [line.split("|")[:2] for line in out.splitlines()[:1]] == [["p_alpha", "people"]]
    assert out.splitlines()[1:] == ["Ada", "Grace"]
    assert logins(world.deployed) == []


@needs_psql
def test_psqls_exit_code_is_ours(run, world):
    code, _, err = run("--as", "alpha", "-v", "ON_ERROR_STOP=1", "-Xc", "select * from lake.people")
    assert code == 1
    assert "permission denied" in err
    assert logins(world.deployed) == []


@needs_psql
def test_the_admin_is_the_admin(run, world):
    code, out, _ = run("-AtXc", "select count(*) from lakeward.profile")
    assert (code, out) == (0, "2\n")


def test_nobody_is_said_to_be_nobody(run, world):
    code, _, err = run("--as", "nobody")
    assert code == 1
    assert err.startswith("lakeward: no profile 'nobody'")


ESCAPES = [
    "select * from lake.people",
    "select * from lake.orders",
    "select * from p_beta.orders",
    "select * from lakeward.api_key",
    "select * from lakeward.job",
    "select secret_sha256 from lakeward.api_key",
    "select lakeward.create_login('beta', 'x', 'SCRAM-SHA-256$x', null)",
    "select lakeward.drop_login(session_user)",
    "select lakeward.find_key('x')",
    "create temp table t (a int)",
    "create table t (a int)",
    "create function f() returns int language sql as 'select 1'",
    "copy (select 1) to program 'id'",
    "select pg_read_file('/etc/passwd')",
    "select rolpassword from pg_authid",
    "insert into people values (3, 'x', 'y')",
    "create role x",
    "do $$ begin execute 'set role {owner}'; end $$",
    "set role {service}",
    "set role {owner}",
    "set role {gate}",
    "set role {steward}",
    "set role {beta}",
    "set session authorization {owner}",
    "reset role; select * from lake.people",
    "reset role; select * from p_beta.orders",
    "set role none; select * from lake.people",
    "set role none; set role {beta}",
    "reset session authorization; select * from lake.people",
    "discard all; select * from lake.people",
]


@pytest.mark.parametrize("statement", ESCAPES)
def test_the_login_does_not_get_out(world, statement):
    deployment = world.deployed.deployment
    names = {
        role: f'"{getattr(deployment, f"{role}_role")}"' for role in ("owner", "gate", "steward", "service")
    }
    statement = statement.format(**names, beta=f'"{world.beta}"') if "{" in statement else statement
    with short_login(world.deployed.service_dsn, "alpha") as login:
        dsn = make_conninfo(world.deployed.dsn, user=login.user, password=login.password)
        with psycopg.connect(dsn, autocommit=True) as connection, pytest.raises(psycopg.Error) as refused:
            for part in [statement] if statement.startswith("do ") else statement.split("; "):
                connection.execute(part.encode())
        assert refused.value.sqlstate in ("42501", "42883", "0A000", "25006"), refused.value
    assert logins(world.deployed) == []


def test_what_ends_the_block_drops_the_login(world):
    with pytest.raises(KeyboardInterrupt), short_login(world.deployed.service_dsn, "alpha") as login:
        assert logins(world.deployed) == [login.user]
        raise KeyboardInterrupt
    assert logins(world.deployed) == []


def test_the_login_ends_by_itself_and_the_next_one_clears_it_away(world):
    with short_login(world.deployed.service_dsn, "alpha") as login, world.deployed.connect() as connection:
        until = connection.execute(
            "select extract(epoch from rolvaliduntil - now())::int from pg_roles where rolname = %s",
            [login.user],
        ).fetchone()
        assert until is not None and 11.9 * 3600 < until[0] <= 12 * 3600
    with world.deployed.connect("owner") as connection:
        stale = f"{world.deployed.deployment.prefix}_psql_00000000"
        connection.execute(
            "select lakeward.create_login('alpha', %s, 'SCRAM-SHA-256$x', '2020-01-01')", [stale]
        )
    with short_login(world.deployed.service_dsn, "alpha") as login:
        assert logins(world.deployed) == [login.user]


def test_no_password_is_on_the_command_line(world, monkeypatch, tmp_path):
    seen = {}

    class Recorder(subprocess.Popen):
        def __init__(self, command, env):
            seen.update(command=command, env=env)
            super().__init__(["true"], env=env)

    monkeypatch.setattr("app.cli.psql.subprocess.Popen", Recorder)
    monkeypatch.setattr("app.cli.psql.shutil.which", lambda _: "psql")
    monkeypatch.setattr("sys.argv", ["lakeward", "psql", "--as", "alpha"])
    monkeypatch.setenv("LAKEWARD_HOME", str(world.deployed.home))
    monkeypatch.setenv("LAKEWARD_DATABASE_URL", world.deployed.dsn)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    password = seen["env"]["PGPASSWORD"]
    assert len(password) > 30
    assert password not in " ".join(seen["command"])
    assert "password" not in " ".join(seen["command"])
    assert "PGPASSWORD" not in os.environ


def test_nothing_is_started(tmp_path):
    with pytest.raises(UnavailableError, match="lakeward up"):
        find_target(Settings(home=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_no_such_profile(world):
    with pytest.raises(NotFoundError), short_login(world.deployed.service_dsn, "x' or true --"):
        pass


def test_who_had_a_login_is_on_record(world):
    with short_login(world.deployed.service_dsn, "alpha") as login:
        pass
    with world.deployed.connect("owner") as owner:
        entries = owner.execute(
            "select kind, actor, source from lakeward.journal where entity = %s order by id", [login.user]
        ).fetchall()
    assert [(kind, source) for kind, _, source in entries] == [
        ("login_created", "psql"),
        ("login_dropped", "psql"),
    ]
    assert all(actor.startswith(f"{getpass.getuser()}@") for _, actor, _ in entries)
