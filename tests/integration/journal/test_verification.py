"""Whatever the tables' owner, or a superuser, does to what is sealed: verify finds it, and says where."""

import pytest

from app.journal.sealing import flush
from app.journal.verification import verify_journal

APPEND = (
    "select lakeward.append_journal('note', 'people', n::text, 'f', to_jsonb(n), to_jsonb(n + 1)) "
    "from generate_series({}, {}) n"
)
#: The note about entity 15 is in the second of three seals of ten notes each.
IN = "where kind = 'note' and entity = '15'"


@pytest.fixture
async def sealed(database, world, tmp_path):
    """Three seals of ten notes each after the one of what the world is made of; the admin with the guards off."""
    await flush(database, tmp_path)
    for first in (1, 11, 21):
        async with database.owner().begin() as transaction:
            await transaction.execute(APPEND.format(first, first + 9).encode())
        await flush(database, tmp_path)
    with world.deployed.connect() as admin:
        if not world.deployed.cluster.is_superuser():
            admin.execute(f"set role {world.deployed.deployment.owner_role}")
        for table in ("journal", "journal_seal"):
            admin.execute(f"alter table lakeward.{table} disable trigger user")
        yield admin


async def test_what_nobody_touched_is_valid(sealed, database, tmp_path):
    found = await verify_journal(database, tmp_path)
    assert found.valid and found.first_bad is None and found.reason is None
    total = sealed.execute("select count(*) from lakeward.journal").fetchone()[0]
    assert (found.checked, found.unsealed, found.seals) == (total, 0, 4)


#: What is done, the seal in which it is found, whether the entry is named, and a word of the reason.
TAMPERING = {
    "a new value": (f"update lakeward.journal set new = '99' {IN}", 3, True, "payload"),
    "an old value": (f"update lakeward.journal set old = null {IN}", 3, True, "payload"),
    "an entity": (f"update lakeward.journal set entity = '16' {IN}", 3, True, "payload"),
    "an actor": (f"update lakeward.journal set actor = 'me' {IN}", 3, True, "changed"),
    "a time": (f"update lakeward.journal set at = at + interval '1 microsecond' {IN}", 3, True, "changed"),
    "a kind": (f"update lakeward.journal set kind = 'x' {IN}", 3, True, "changed"),
    "a field": (f"update lakeward.journal set field = null {IN}", 3, True, "changed"),
    "a profile": (f"update lakeward.journal set profile = 'x' {IN}", 3, True, "changed"),
    "a request": (f"update lakeward.journal set request_id = 'x' {IN}", 3, True, "changed"),
    "an id": (f"update lakeward.journal set id = id + 100000 {IN}", 3, True, "removed"),
    "an entry deleted": (
        f"delete from lakeward.journal {IN}",
        3,
        True,
        "1 entries before this one were removed",
    ),
    "the last of a seal deleted": (
        "delete from lakeward.journal where kind = 'note' and entity = '20'",
        3,
        False,
        "at the end of the seal",
    ),
    "all of a seal deleted": (
        "delete from lakeward.journal where kind = 'note' and entity::int between 11 and 20",
        3,
        False,
        "10 entries",
    ),
    "two swapped": (
        "update lakeward.journal set new = case entity when '15' then '17'::jsonb else '16' end "
        "where kind = 'note' and entity in ('15', '16')",
        3,
        True,
        "payload",
    ),
    "an entry inserted": (
        "insert into lakeward.journal (kind, entity, transaction, actor) select kind, 'x', transaction, 'x' "
        f"from lakeward.journal {IN}",
        3,
        True,
        "added",
    ),
    "an entry twice": (f"insert into lakeward.journal select * from lakeward.journal {IN}", 3, True, "added"),
    "moved out of what is sealed": (
        f"update lakeward.journal set transaction = pg_current_xact_id() {IN}",
        3,
        True,
        "removed",
    ),
    "a payload blanked": (
        f"update lakeward.journal set entity = null, old = null, new = null {IN}",
        3,
        True,
        "no erasure says so",
    ),
    "a payload blanked with its salt": (
        f"with e as (update lakeward.journal set entity = null, old = null, new = null {IN}) "
        "update lakeward.journal_seal set salts = overlay(salts placing decode(repeat('00', 16), 'hex') from 65) "
        "where id = 3",
        3,
        True,
        "no erasure says so",
    ),
    "a seal removed": ("delete from lakeward.journal_seal where id = 3", 3, False, "is gone"),
    "the first seal removed": ("delete from lakeward.journal_seal where id = 1", 1, False, "is gone"),
    "the last seal removed": ("delete from lakeward.journal_seal where id = 4", 4, False, "are gone"),
    "the last seals removed": ("delete from lakeward.journal_seal where id > 1", 4, False, "are gone"),
    "the last seal with its entries": (
        "delete from lakeward.journal where kind = 'note' and entity::int > 20; "
        "delete from lakeward.journal_seal where id = 4",
        4,
        False,
        "are gone",
    ),
    "everything": ("delete from lakeward.journal; delete from lakeward.journal_seal", 4, False, "are gone"),
    "seals swapped": (
        "update lakeward.journal_seal set id = case id when 2 then 30 when 3 then 2 else id end; "
        "update lakeward.journal_seal set id = 3 where id = 30",
        2,
        False,
        "does not begin where",
    ),
    "digests swapped": (
        "update lakeward.journal_seal s set digest = o.digest from lakeward.journal_seal o "
        "where s.id in (2, 3) and o.id = 5 - s.id",
        2,
        False,
        "seal was changed",
    ),
    "a seal's digest": (
        "update lakeward.journal_seal set digest = sha256('x') where id = 3",
        3,
        False,
        "changed",
    ),
    "a seal's key": ("update lakeward.journal_seal set key_id = 'mine' where id = 3", 3, False, "key"),
    "a seal's time": (
        "update lakeward.journal_seal set sealed_at = sealed_at - interval '1 day' where id = 3",
        3,
        False,
        "seal was changed",
    ),
    "a seal's count": ("update lakeward.journal_seal set entries = 9 where id = 3", 3, False, "counts"),
    "a seal's end": (
        "update lakeward.journal_seal set to_id = to_id + 1 where id = 4",
        4,
        False,
        "seal was changed",
    ),
    "a hole between two seals": (
        "update lakeward.journal_seal set from_id = from_id + 1 where id = 3",
        3,
        False,
        "does not begin where",
    ),
    "a payload and its hash": (
        f"with e as (update lakeward.journal set new = null {IN}) update lakeward.journal_seal "
        "set payloads = overlay(payloads placing sha256(substr(salts, 65, 16) "
        "|| '\\x01000000023135'::bytea || '\\x01000000023135'::bytea || '\\x00'::bytea) from 129) where id = 3",
        3,
        False,
        "seal was changed",
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
async def test_tampering_is_found(sealed, database, tmp_path, name):
    statement, seal, named, reason = TAMPERING[name]
    bad = sealed.execute(f"select id from lakeward.journal {IN}").fetchone()[0]
    sealed.execute(statement)
    found = await verify_journal(database, tmp_path)
    assert not found.valid
    assert found.seal == seal and reason in found.reason, found
    assert (found.first_bad is not None) is named
    if named and reason not in ("added", "removed") and "removed" not in reason:
        assert found.first_bad == bad


async def test_an_erasure_breaks_nothing(sealed, database, world, tmp_path):
    with world.deployed.connect("owner") as owner:
        assert owner.execute(
            "select entries from lakeward.erase_journal('people', '{15,3,1}')"
        ).fetchone() == (4,)
    found = await verify_journal(database, tmp_path)
    assert found.valid and found.unsealed == 1, found
    await flush(database, tmp_path)
    found = await verify_journal(database, tmp_path)
    assert found.valid and found.unsealed == 0, found


async def test_what_was_erased_before_it_was_sealed_is_no_tampering(sealed, database, world, tmp_path):
    with world.deployed.connect("owner") as owner:
        owner.execute("select lakeward.append_journal('note', 'people', '77', null, null, '1')")
        owner.execute("select lakeward.erase_journal('people', '{77}')")
    await flush(database, tmp_path)
    assert (await verify_journal(database, tmp_path)).valid


async def test_an_erased_payload_does_not_come_back(sealed, database, world, tmp_path):
    with world.deployed.connect("owner") as owner:
        bad = owner.execute(f"select id from lakeward.journal {IN}").fetchone()[0]
        owner.execute("select lakeward.erase_journal('people', '{15}')")
    sealed.execute("update lakeward.journal set new = '\"forged\"' where id = %s", [bad])
    found = await verify_journal(database, tmp_path)
    assert (found.valid, found.first_bad) == (False, bad)


async def test_somebody_elses_chain_is_not_this_homes(sealed, database, tmp_path, tmp_path_factory):
    """The owner seals the changed journal anew with a key of his own."""
    sealed.execute(f"update lakeward.journal set new = '99' {IN}")
    sealed.execute("delete from lakeward.journal_seal")
    await flush(database, tmp_path_factory.mktemp("forger"))
    found = await verify_journal(database, tmp_path)
    assert not found.valid and found.seal == 1 and "key" in found.reason
