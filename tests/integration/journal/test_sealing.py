"""What is settled is sealed, once, in order; what is not settled yet is sealed when it is."""

import asyncio

import pytest

from app.errors import ConflictError
from app.journal import sealing
from app.journal.seal_files import find_head, find_key
from app.journal.sealing import flush
from app.journal.verification import verify_journal

APPEND = (
    "select lakeward.append_journal('note', 'people', n::text, 'f', null, to_jsonb(n)) "
    "from generate_series(1, {}) n"
)


async def append(database, count):
    async with database.owner().begin() as transaction:
        await transaction.execute(APPEND.format(count).encode())


@pytest.fixture
def home(tmp_path):
    return tmp_path


async def test_everything_settled_is_sealed_once(database, world, rows, home):
    before = rows("select count(*) as n from lakeward.journal")[0]["n"]
    await append(database, 3)
    flushed = await flush(database, home)
    assert (flushed.seals, flushed.entries, flushed.unsealed) == (1, before + 3, 0)
    assert await flush(database, home) == sealing.Flushed(seals=0, entries=0, unsealed=0)
    await append(database, 2)
    assert (await flush(database, home)).entries == 2
    first, second = rows("select * from lakeward.journal_seal order by id")
    assert (second["from_transaction"], second["from_id"]) == (first["to_transaction"], first["to_id"])
    head = find_head(home)
    assert head is not None and (head.id, head.digest) == (2, second["digest"].hex())
    assert find_key(home).id == second["key_id"]


async def test_a_transaction_that_is_not_over_is_sealed_later(database, world, home):
    await flush(database, home)
    with world.deployed.connect("owner") as open_one:
        open_one.execute("begin")
        open_one.execute("select lakeward.append_journal('note', null, null, null, null, null)")
        # begun later, over earlier: it waits for the one before
        await append(database, 5)
        flushed = await flush(database, home)
        assert (flushed.entries, flushed.unsealed) == (0, 5)
        open_one.execute("commit")
    flushed = await flush(database, home)
    assert (flushed.entries, flushed.unsealed) == (6, 0)
    assert (await verify_journal(database, home)).valid


async def test_one_large_transaction_is_cut_into_several_seals(database, world, rows, home, monkeypatch):
    monkeypatch.setattr(sealing, "MAX_ENTRIES", 100)
    await flush(database, home)
    seals = rows("select count(*) as n from lakeward.journal_seal")[0]["n"]
    await append(database, 250)
    flushed = await flush(database, home)
    assert (flushed.seals, flushed.entries) == (3, 250)
    sizes = [seal["entries"] for seal in rows("select entries from lakeward.journal_seal order by id")]
    assert sizes[seals:] == [100, 100, 50]
    found = await verify_journal(database, home)
    assert found.valid and found.unsealed == 0 and found.seals == seals + 3


async def test_two_at_once_seal_each_entry_once(database, world, rows, home):
    await append(database, 50)
    both = await asyncio.gather(flush(database, home), flush(database, home))
    total = rows("select count(*) as n from lakeward.journal")[0]["n"]
    assert sum(flushed.entries for flushed in both) == total
    assert (await verify_journal(database, home)).checked == total


async def test_without_the_key_nothing_is_sealed(database, world, home):
    await flush(database, home)
    await append(database, 1)
    (home / "seal.key").rename(home / "elsewhere")
    with pytest.raises(ConflictError, match=r"seal\.key"):
        await flush(database, home)
    assert not (home / "seal.key").exists(), "a new key would make all that was sealed unverifiable"
    found = await verify_journal(database, home)
    assert not found.valid and "seal.key" in found.reason
    (home / "elsewhere").rename(home / "seal.key")
    assert (await flush(database, home)).entries == 1


async def test_nothing_is_sealed_onto_a_chain_that_was_cut(database, world, home):
    await append(database, 1)
    await flush(database, home)
    with world.deployed.connect() as admin:
        admin.execute("alter table lakeward.journal_seal disable trigger user")
        admin.execute("delete from lakeward.journal_seal")
    await append(database, 1)
    with pytest.raises(ConflictError, match="is gone"):
        await flush(database, home)
    (home / "seal.head").unlink()
    await flush(database, home)


async def test_a_database_that_was_restored_from_a_dump_is_said(database, world, home):
    await flush(database, home)
    with world.deployed.connect() as admin:
        admin.execute("alter table lakeward.journal_seal disable trigger user")
        admin.execute("update lakeward.journal_seal set to_transaction = '9000000000'")
    await append(database, 1)
    with pytest.raises(ConflictError, match="restored from a dump"):
        await flush(database, home)
