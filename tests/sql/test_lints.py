"""Every governance rule finds what it is for, and nothing in a database that is as it should be."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from psycopg import AsyncConnection, sql

from app.db.lint import Finding, list_lints, run_lints
from app.db.scope import Transaction

#: A view of `people` as an admin makes one, with nothing wrong about it.
SAFE_VIEW = (
    "insert into lakeward.relation (name, kind) values ('notes', 'view');"
    "insert into lakeward.safe_view (id, name, columns) select id, name, array['id']"
    " from lakeward.relation where name = 'notes';"
    "insert into lakeward.safe_view_base (view_id, base_id) select v.id, d.id"
    " from lakeward.safe_view v, lakeward.dataset d where d.name = 'people';"
)

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
    "0008_reader_view_barrier": [
        "alter view p_alpha.people set (security_barrier = false)",
        "alter view vec.hits_1_1 reset (security_barrier)",
        SAFE_VIEW + "alter view lake.notes reset (security_barrier)",
    ],
    "0009_reader_view_owner": [
        "alter view p_alpha.people owner to {owner}",
        "alter view vec.hits_1_1 owner to {owner}",
        SAFE_VIEW + "alter view lake.notes owner to {owner}",
    ],
    "0010_vec_granted": [
        "grant select on vec.people_note to public",
        "grant select on vec.people_note_text to {beta}",
        "grant select (row_key) on vec.people_note to {beta}",
        "grant delete on vec.people_note to {alpha}",
    ],
    "0011_view_without_binding": [
        "alter table lakeward.binding disable trigger objects_delete;"
        "delete from lakeward.binding where profile_id = 'beta';"
        "alter table lakeward.binding enable trigger objects_delete",
        "create table p_alpha.stray (id int)",
    ],
    "0012_binding_without_view": ["drop view p_alpha.people"],
    "0013_binding_role": ["update lakeward.binding set role_name = {beta_text} where profile_id = 'alpha'"],
    "0014_profile_without_role": [
        "alter table lakeward.profile disable trigger objects;"
        "insert into lakeward.profile (id, role_name, schema_name) values ('ghost', 'ghost', 'p_ghost');"
        "alter table lakeward.profile enable trigger objects"
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
        "alter table lakeward.storage_error disable trigger keep_record",
        "alter table lakeward.trial disable trigger keep_record",
        "alter table record.audit_entry_default disable trigger keep_record_whole",
        "create or replace trigger journal_update after update on lake.people"
        " for each row execute function lakeward.on_dataset()",
    ],
    "0025_profile_granted_elsewhere": [
        "grant execute on function lakeward.find_key(text) to {alpha}",
        "create schema other; create table other.stray (id int); grant select on other.stray to {alpha}",
        "create schema other; grant usage on schema other to {beta}",
        "grant set on parameter session_replication_role to {alpha}",
        "grant set on parameter session_replication_role to public",
        "create role {stray_login} login noinherit; grant {alpha} to {stray_login};"
        "grant select on lake.people to {stray_login}",
        "create schema other; grant usage on schema other to public;"
        "create table other.stray (id int); grant select on other.stray to public",
        "create foreign data wrapper stray; grant usage on foreign data wrapper stray to public",
        "create foreign data wrapper stray; create server there foreign data wrapper stray;"
        "grant usage on foreign server there to public",
        "grant select on pg_authid to {alpha}",
    ],
    "0026_session_settings": [
        "alter database {database} set session_replication_role = 'replica'",
        "alter role {service} set session_replication_role = 'replica'",
        "alter role {owner} set session_replication_role = 'replica'",
        "alter database {database} set row_security = off",
        "alter role {service} in database {database} set lakeward.journal_rows = 'off'",
        "alter role {service} set role = {owner_text}",
        "set local session_replication_role = 'replica'",
        "set local row_security = off",
    ],
    "0027_trigger_off": [
        "alter table lake.people disable trigger refuse_tombstoned",
        "drop trigger refuse_tombstoned on lake.orders",
        "do $$ begin execute (select format('alter table lake.people disable trigger %I', 'track_delete_' || id)"
        " from lakeward.vector_index); end $$",
        "do $$ begin execute (select format('drop trigger %I on lake.people', 'track_update_' || id)"
        " from lakeward.vector_index); end $$",
        "alter table lakeward.binding disable trigger objects_delete",
        "alter table lakeward.access_role enable replica trigger objects_clearance",
        "alter table lakeward.binding disable trigger all",
        "drop trigger journal on lakeward.profile",
    ],
    "0028_view_columns": [
        "create or replace view p_alpha.people with (security_barrier) as"
        " select id, name, note, name as more from lake.people d",
        "drop view p_alpha.people;"
        "create view p_alpha.people with (security_barrier) as select id, name from lake.people d;"
        "alter view p_alpha.people owner to {gate}; grant select on p_alpha.people to {alpha}",
        "create or replace view vec.hits_1_1 with (security_barrier) as select chunk_id, chunk_no, embedding,"
        " null::text as doc_key, null::jsonb as metadata, null::bigint as f0, null::text as f1, null::text as f2,"
        " row_key from vec.people_note",
        SAFE_VIEW
        + "create or replace view lake.notes with (security_barrier) as select id, name from lake.people",
    ],
    "0029_view_reads_other": [
        "create or replace view p_alpha.people with (security_barrier) as"
        " select id, name, (select max(amount)::text from lake.orders) as note from lake.people d",
        "create or replace view p_alpha.people with (security_barrier) as"
        " select id, name, lakeward.role_of('owner') as note from lake.people d",
        "create or replace view p_alpha.people with (security_barrier) as"
        " select id, name, (select content from vec.people_note_text limit 1) as note from lake.people d",
        "create or replace view vec.hits_1_1 with (security_barrier) as select chunk_id, chunk_no, embedding,"
        " (select max(amount)::text from lake.orders) as doc_key, null::jsonb as metadata, null::bigint as f0,"
        " null::text as f1, null::text as f2 from vec.people_note",
        SAFE_VIEW + "create or replace view lake.notes with (security_barrier) as select id from lake.orders",
    ],
    "0030_read_unrecorded": [
        "drop policy readers on lake.people",
        "alter policy readers on lake.people using (id > 0)",
        "alter table vec.people_note_text disable row level security",
        "drop policy readers on vec.people_note_text",
        "create policy extra on lake.people for select using (id > 0)",
        "create policy extra on vec.people_note_text for all using (start_at >= 0)",
    ],
    "0031_system_granted": [
        "grant select on pg_statistic to public",
        "grant select (rolpassword) on pg_authid to public",
        "grant execute on function pg_read_file(text) to public",
        "grant update on pg_class to public",
    ],
    "0032_function_lends_rights": [
        "grant usage on schema public to public; create function public.lend() returns int language sql"
        " security definer set search_path = pg_catalog, pg_temp as 'select 1'",
        "grant usage on schema public to public; create language stray handler plpgsql_call_handler;"
        "create function public.lend() returns int language stray as 'begin return 1; end'",
    ],
    "0033_record_writable": [
        "grant insert on lakeward.journal to {steward}",
        "grant update (principal) on lakeward.audit_entry to {gate}",
        "grant insert on record.journal_default to public",
        "grant delete on lakeward.shown_column to {steward}",
        "grant update on lakeward.journal_id_seq to {steward}",
    ],
    "0034_default_privileges": [
        "alter default privileges for role {owner} grant select on tables to public",
        "alter default privileges for role {owner} in schema lake grant select on tables to {alpha}",
        "alter default privileges for role {owner} in schema lakeward grant execute on functions to public",
        "alter default privileges for role {gate} in schema vec grant select on tables to {beta}",
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
            "owner_text": sql.Literal(deployment.owner_role),
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


async def test_views_redactions_and_tombstones_are_no_finding(connection, shared_world):
    """Every kind of view of Lakeward itself: redacted by clearance and by a safe view, with an index on that."""
    steward = shared_world.deployed.deployment.steward_role
    await connection.execute("select set_config('role', %s, true)", [steward])
    for statement in (
        "update lakeward.dataset_column set sensitivity = 'confidential' where name = 'name'",
        "update lakeward.profile set access_role = 'analyst' where id = 'alpha'",
        "update lakeward.dataset_column set sensitivity = 'unclassified' where name = 'amount'",
        "insert into lakeward.relation (name, kind) values ('notes', 'view')",
        "insert into lakeward.safe_view (id, name, columns, redactions) select id, name, '{id,name,note}',"
        """ '{"name": {"action": "hash"}, "note": {"action": "mask", "keep_prefix": 1}}'"""
        " from lakeward.relation where name = 'notes'",
        "insert into lakeward.safe_view_base (view_id, base_id) select v.id, d.id"
        " from lakeward.safe_view v, lakeward.dataset d where d.name = 'people'",
        "insert into lakeward.binding (profile_id, relation_id, role_name)"
        " select p.id, v.id, p.role_name from lakeward.profile p, lakeward.safe_view v",
        "insert into lakeward.vector_index (name, relation_id, text_columns, chunk_size, chunk_overlap,"
        " provider, model_name, model_version, dimensions, row_key)"
        " select 'notes_note', id, '{note}', 1000, 100, 'fake', 'fake', '1', 3, 'id' from lakeward.safe_view",
        "select lakeward.create_tombstones('people', 'id', '{1}', 'gone')",
    ):
        await connection.execute(statement)
    await connection.execute("reset role")
    hits = await connection.execute("select from pg_class where relname ~ '^hits_' and relkind = 'v'")
    assert hits.rowcount >= 2
    assert await lint(connection, shared_world) == []


async def test_a_reader_cannot_cause_a_finding(connection, shared_world):
    """Findings stop the service: what a login may do to its own role and objects must not be one."""
    login = sql.Identifier(f"login_{shared_world.alpha}")
    await lint(connection, shared_world)
    await connection.execute(
        "select lakeward.create_login('alpha', %s, 'SCRAM-SHA-256$4096:x$y:z', null)",
        [f"login_{shared_world.alpha}"],
    )
    await connection.execute("reset role")
    if not shared_world.deployed.cluster.is_superuser():
        pytest.skip("only a superuser can take another's session")
    # as it is where no superuser migrates
    await connection.execute("grant execute on function lo_create(oid) to public")
    await connection.execute(sql.SQL("set local session authorization {}").format(login))
    for name in (f"login_{shared_world.alpha}", shared_world.alpha):
        role = sql.Identifier(name)
        for statement in (
            "set local role {role}",
            "select lo_create(0)",
            "do $$ begin execute format("
            "'grant select, update on large object %s to public, {beta}', lo_create(0)); end $$",
            "alter default privileges grant select on tables to public, {beta}",
            "alter role {role} set row_security = off",
            "alter role {role} set search_path = pg_temp",
            "alter role {role} set role = {role}",
            "reset role",
        ):
            await connection.execute(
                sql.SQL(statement).format(role=role, beta=sql.Identifier(shared_world.beta))
            )
    await connection.execute("reset session authorization")
    assert await lint(connection, shared_world) == []


async def test_no_trigger_of_the_catalog_is_left_unasked(connection, shared_world):
    """Each that is dropped is a finding of 0024 or 0027; one that is new has to be named there."""
    if not shared_world.deployed.cluster.is_superuser():
        pytest.skip("only a superuser can break every rule")
    cursor = await connection.execute(
        "select format('%I.%I', n.nspname, c.relname), t.tgname from pg_trigger t"
        " join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname in ('lakeward', 'lake') and not t.tgisinternal and t.tgparentid = 0"
    )
    triggers = await cursor.fetchall()
    assert len(triggers) > 40
    for table, name in triggers:
        await connection.execute(
            sql.SQL("drop trigger {} on {}").format(sql.Identifier(name), sql.SQL(table))
        )
    findings = await lint(connection, shared_world)
    assert {finding.rule for finding in findings} == {"0024_unjournaled_table", "0027_trigger_off"}
    found = {(finding.object, word) for finding in findings for word in finding.detail.split()}
    assert [trigger for trigger in triggers if trigger not in found] == []


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
        "database lakeward": "database",
    }
    for example, name in real.items():
        actual = names[name].as_string(None).strip('"')
        found = [
            block.replace(example, f"database {actual}" if name == "database" else actual) for block in found
        ]
    return found


def test_every_rule_has_a_plant():
    assert sorted(PLANTS) == [lint.rule for lint in list_lints()]


def test_a_rule_says_what_and_why():
    for rule in list_lints():
        assert rule.title.endswith(".") and rule.why.endswith("."), rule.rule


async def test_all_rules_together_are_quick(connection, shared_world):
    """They run at every readiness check. Measured: 30 ms; the limit leaves room for a slow machine."""
    await lint(connection, shared_world)
    started = time.perf_counter()
    await lint(connection, shared_world)
    assert time.perf_counter() - started < 0.5
