"""An erasure takes the rows' vectors out of the copies in Lance, and the byte scan that proves it looks there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.lance.folder import Folder
from app.lance.indexes import LanceIndexes
from app.lance.sync import find_index
from tests.integration.tombstones.conftest import People, people

__all__ = ["people"]

pytest.importorskip("lancedb")

#: With notes over several chunks.
WHO = 300


def halves_of(people: People, number: int) -> list[bytes]:
    """The vectors of a person's chunks, as they are stored."""
    with people.database_admin() as connection:
        found = connection.execute(
            "select embedding::real[] from vec.people_v1 where row_key = %s", [number]
        ).fetchall()
    return [np.array(row[0], "<f2").tobytes() for row in found]


def holds(folder: Path, value: bytes) -> bool:
    return any(value in path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_the_copies_hold_no_byte_of_an_erased_row(people: People) -> None:
    lance = LanceIndexes(people.database, people.settings.home)
    copy = lance.folder.path("people_v1")
    assert (await lance.sync("people_v1")).rebuilt
    vectors = halves_of(people, WHO)
    assert vectors and all(holds(copy, vector) for vector in vectors)
    erasure = await people.erase(str(WHO))
    receipt: dict[str, Any] = (await people.receipt(erasure.id)).receipt
    assert any(
        place["place"].startswith("home/lance/people_v1/") for place in receipt["scan_before"]["places"]
    )
    assert receipt["verified_by_scan"] and not receipt["scan_after"]["places"]
    assert Folder(people.settings.home).list_copies() == []
    assert (await find_index(people.database.owner(), "people_v1")).lance is None
    synced = await lance.sync("people_v1")
    assert synced.rebuilt and not any(holds(copy, vector) for vector in vectors)
    assert all(holds(copy, vector) for vector in halves_of(people, WHO + 1)), "the others' are back"
