"""Every governance rule finds what it is for, and nothing in a database that is as it should be."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from psycopg import AsyncConnection, sql

from app.db.lint import Finding, list_lints, run_lints
from app.db.scope import Transaction

#: For each rule, what an admin with a superuser's rights could do to break it. {alpha}, {owner}, … are roles.
PLANTS = {
    "0001_row_security_off": ["alter table lake.people disable row level security"],
    "0002_policy_names_role": ["create policy extra on lake.people for select to {alpha} using (id = 1)"],
    "0003_policy_always_true": [
        "create policy extra on lake.people for select using (true)",
        "create policy extra on lake.people for select using (id = 1 or true)",
        "create policy extra on lakeward.api_key for all using (1 = 1) with check (id = '')",
        "create policy extra on lakeward.job for insert with check (true)",
    ],
    "0004_function_public": [
        "grant execute on function lakeward.find_key(text) to public",
        "create function p_alpha.mine() returns int language sql as 'select 1'",
    ],
    "0005_definer_search_path": [
        "alter function lakeward.find_key(text) reset search_path",
        "alter function lakeward.find_key(text) set search_path = pg_temp, pg_catalog",
    ],
    "0006_profile_role_power": [
        "alter role {alpha} bypassrls",
        "alter role {alpha} createrole",
        "alter role {alpha} login",
        "grant pg_read_all_data to {alpha}",
        "create schema stray authorization {alpha}",
    ],
    "0007_profile_reaches_out": [
        "grant select on lake.people to {alpha}",
        "grant select (id) on lake.people to {alpha}",
        "grant usage on schema lake to public",
        "grant select on p_beta.orders to {alpha}",
        "grant usage on schema p_beta to {alpha}",
        "grant select on jobs.procrastinate_jobs to {alpha}",
        "grant create on schema p_alpha to {alpha}",
        "grant insert on lakeward.binding to public",
        "create table public.stray (id int); grant select on public.stray to public",
        "alter view p_alpha.people owner to {gate}; grant update on p_alpha.people to {alpha}",
    ],
    "0008_reader_view_barrier": ["alter view p_alpha.people set (security_barrier = false)"],
    "0009_reader_view_owner": ["alter view p_alpha.people owner to {owner}"],
    "0010_vec_granted": [
        "grant select on vec.people_note to public",
        "grant select on vec.people_note_text to {beta}",
        "grant select (row_key) on vec.people_note to {beta}",
        "grant delete on vec.people_note to {alpha}",
    ],
    "0011_view_without_binding": [
        "alter table lakeward.binding disable trigger objects_delete;"
        "delete from lakeward.binding where profile_id = 'beta'",
        "create table p_alpha.stray (id int)",
    ],
    "0012_binding_without_view": ["drop view p_alpha.people"],
    "0013_binding_role": ["update lakeward.binding set role_name = {beta_text} where profile_id = 'alpha'"],
    "0014_profile_without_role": [
        "alter table lakeward.profile disable trigger objects;"
        "insert into lakeward.profile (id, role_name, schema_name) values ('ghost', 'ghost', 'p_ghost')"
    ],
    "0015_role_power": [
        "alter role {owner} login",
        "alter role {steward} bypassrls",
        "alter role {gate} superuser",
        "alter role {gate} createrole",
    ],
    "0016_service_login_power": [
        "alter role {service} bypassrls",
        "alter role {service} inherit",
        "grant pg_read_all_data to {service} with inherit true",
        "create schema stray authorization {service}",
    ],
    "0017_database_public": [
        "grant temporary on database {database} to public",
        "grant create on database {database} to public",
    ],
    "0018_schema_public_create": [
        "grant create on schema public to public",
        "grant create on schema lakeward to public",
    ],
    "0019_admin_table_readable": [
        "grant select on lakeward.api_key to public",
        "grant select (raw) on lakeward.rejected_row to {alpha}",
    ],
    "0020_hnsw_invalid": [
        "update pg_index set indisvalid = false from pg_class c"
        " where indexrelid = c.oid and c.relname ~ '^people_note_v'"
    ],
    "0021_variant_without_index": [
        "insert into lakeward.index_variant (index_id, m, ef_construction, state)"
        " select id, 8, 40, 'ready' from lakeward.vector_index"
    ],
    "0022_login_not_one_profile": [
        "create role stray_{alpha_name} login noinherit in role {alpha}, {beta}",
        "create role stray_{alpha_name} login superuser in role {alpha}",
        "create role stray_{alpha_name} login noinherit;"
        "grant {alpha} to stray_{alpha_name} with admin option",
    ],
    "0023_system_role_member": [
        "grant {steward} to {beta_login}",
        "grant {gate} to {steward}",
    ],
    "0024_unjournaled_table": [
        "alter table lake.people disable trigger journal_update",
        "alter table lake.people enable replica trigger journal_delete",
        "drop trigger journal_truncate on lake.people",
        "alter table lakeward.journal disable trigger keep_record",
        "alter table lakeward.journal_seal disable trigger user",
        "alter table record.audit_entry_default disable trigger keep_record_whole",
        "create or replace trigger journal_update after update on lake.people"
        " for each row execute function lakeward.on_dataset()",
    ],
}


@pytest.fixture(scope="module")
def names(shared_world) -> dict[str, sql.Composable]:
    deployment = shared_world.deployed.deployment
    with shared_world.deployed.connect("owner") as connection:
        login = f"login_{shared_world.beta}"
        connection.execute(sql.SQL("create role {} login noinherit").format(sql.Identifier(login)))
        yield {
            "alpha": sql.Identifier(shared_world.alpha),
            "beta": sql.Identifier(shared_world.beta),
            "beta_text": sql.Literal(shared_world.beta),
            "beta_login": sql.Identifier(login),
            "alpha_name": sql.SQL(shared_world.alpha),
            "stray_login": sql.Identifier(f"stray_{shared_world.alpha}"),
            "owner": sql.Identifier(deployment.owner_role),
            "gate": sql.Identifier(deployment.gate_role),
            "steward": sql.Identifier(deployment.steward_role),
            "service": sql.Identifier(deployment.service_role),
            "database": sql.Identifier(shared_world.deployed.name),
        }
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))


@pytest.fixture
async def connection(shared_world) -> AsyncIterator[AsyncConnection]:
    """The admin's, in a transaction that is rolled back: roles are rows too, and are as they were."""
    async with await AsyncConnection.connect(shared_world.deployed.dsn) as opened:
        yield opened
        await opened.rollback()


async def lint(connection: AsyncConnection, shared_world) -> list[Finding]:
    await connection.execute(
        "select set_config('role', %s, true)", [shared_world.deployed.deployment.owner_role]
    )
    return await run_lints(Transaction(connection))


async def test_a_database_that_is_as_it_should_be_has_no_findings(connection, shared_world):
    assert await lint(connection, shared_world) == []


async def test_a_power_users_login_is_no_finding(connection, shared_world):
    owner = shared_world.deployed.deployment.owner_role
    await connection.execute("select set_config('role', %s, true)", [owner])
    await connection.execute(
        "select lakeward.create_login('alpha', %s, 'SCRAM-SHA-256$4096:x$y:z', null)",
        [f"login_{shared_world.alpha}"],
    )
    assert await lint(connection, shared_world) == []


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        pytest.param(rule, plant, id=f"{rule}-{n}")
        for rule, plants in PLANTS.items()
        for n, plant in enumerate(plants)
    ],
)
async def test_exactly_the_rule_that_is_broken_finds_it(rule, plant, connection, shared_world, names):
    if not shared_world.deployed.cluster.is_superuser():
        pytest.skip("only a superuser can break every rule")
    await connection.execute(sql.SQL(plant).format(**names))
    findings = await lint(connection, shared_world)
    assert {finding.rule for finding in findings} == {rule}, findings
    assert all(finding.object and finding.detail for finding in findings)


@pytest.mark.parametrize("rule", PLANTS)
async def test_the_page_shows_how_to_see_it_and_how_to_fix_it(rule, connection, shared_world, names):
    """On each rule's first plant: "See it" shows something, the first block of "Fix it" cures it."""
    if not shared_world.deployed.cluster.is_superuser():
        pytest.skip("only a superuser can break every rule")
    page = next(lint.page for lint in list_lints() if lint.rule == rule)
    see, fix = (blocks(Path(page).read_text(), heading, names)[0] for heading in ("See it", "Fix it"))
    await connection.execute(sql.SQL(PLANTS[rule][0]).format(**names))
    shown = [
        await (await connection.execute(statement)).fetchall()
        for statement in filter(str.strip, see.split(";\n"))
    ]
    assert any(shown)
    await connection.execute(fix)
    assert await lint(connection, shared_world) == []


def blocks(page: str, heading: str, names: dict[str, sql.Composable]) -> list[str]:
    """The SQL below a page's heading, with the examples' names as they are in the test's database."""
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^```sql\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    real = {
        "lw_p_alpha": "alpha",
        "lw_p_beta": "beta",
        "lw_owner": "owner",
        "lw_gate": "gate",
        "lw_steward": "steward",
        "lw_service": "service",
        "stray_login": "stray_login",
        "their_login": "beta_login",
        "on database lakeward": "database",
    }
    for example, name in real.items():
        actual = names[name].as_string(None).strip('"')
        found = [
            block.replace(example, f"on database {actual}" if name == "database" else actual)
            for block in found
        ]
    return found


def test_every_rule_has_a_plant():
    assert sorted(PLANTS) == [lint.rule for lint in list_lints()]


def test_a_rule_says_what_and_why():
    for rule in list_lints():
        assert rule.title.endswith(".") and rule.why.endswith("."), rule.rule


async def test_all_rules_together_are_quick(connection, shared_world):
    """They run at every readiness check. Measured: 20 ms; the limit leaves room for a slow machine."""
    await lint(connection, shared_world)
    started = time.perf_counter()
    await lint(connection, shared_world)
    assert time.perf_counter() - started < 0.5
