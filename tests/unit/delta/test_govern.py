"""A relation over files as its reader sees it, whatever the columns are called; and what the reader's context lacks."""

from pathlib import Path

import pyarrow as pa
import pytest
from datafusion import SessionContext

from app.delta import log
from app.delta.find import find_keys
from app.delta.govern import GovernedFiles, govern
from app.delta.models import Place, ShownColumn, StoredType
from app.delta.service import Files
from app.views.datafusion import HmacKey

KEY = 'We"ird. Näme $1'


@pytest.fixture
def relation(tmp_path: Path) -> GovernedFiles:
    """Four rows with a hash, a mask, a filter and a tombstone."""
    place = Place(str(tmp_path / "t"))
    table = pa.table(
        {KEY: ["a", "b", "c", None], "Name": ["Anna", "Berta", "Cäcilie", "D"], "n": [1, 2, 3, 4]}
    )
    written = log.create_or_append(place, None, table.to_reader(), "append")
    uris, schema = log.list_files(place, written.version)
    return GovernedFiles(
        name="x",
        uris=[f"{place.uri}/{uri}" for uri in uris],
        schema=schema.serialize().to_pybytes(),
        columns=[ShownColumn(KEY, "text", "text", "hash"), ShownColumn("Name", "text", "text", "mask", 1, 1)],
        stored=[StoredType(KEY, "text"), StoredType("Name", "text"), StoredType("n", "bigint")],
        filter_tree={
            "op": "gt",
            "args": [{"column": "n", "type": "bigint"}, {"literal": "1", "type": "bigint"}],
        },
        row_key=KEY,
        gone=["b"],
        hash_key=HmacKey(inner=b"1" * 64, outer=b"2" * 64),
    )


def read(relation: GovernedFiles) -> SessionContext:
    context = SessionContext()
    context.register_table("x", govern([relation])["x"].into_view())
    return context


def test_rows_masks_and_tombstones(relation: GovernedFiles) -> None:
    found = read(relation).sql('select * from x order by "Name"').to_pylist()
    assert [row["Name"] for row in found] == ["*", "C*****e"]
    assert [len(row[KEY] or "") for row in found] == [0, 64]


def test_the_readers_context_has_nothing_else(relation: GovernedFiles) -> None:
    context = read(relation)
    for statement in (
        "select lakeward_hash('a')",
        "select * from base",
        "select n from x",
        f"select '{KEY}' from gone",
    ):
        with pytest.raises(Exception, match=r"planning|Schema error|not found|Invalid"):
            context.sql(statement).collect()
    assert "1111" not in repr(relation) and "b" not in repr(relation).replace("GovernedFiles", "")


def test_keys_are_found(relation: GovernedFiles) -> None:
    files = Files(tuple(relation.uris), relation.schema)
    assert find_keys(files, KEY, pa.chunked_array([["c", "zz", "a"]])) == ["a", "c"]
    assert find_keys(files, KEY, pa.chunked_array([["c", "zz", "a"]]), limit=1) == ["a"]
