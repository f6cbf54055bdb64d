"""The least recently used export goes first, a pinned one never, and every file is closed once."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from app.analytics.cache import MAX_EXPORTS, HotCache
from app.analytics.memory_file import check_sealed, create_memory_file, fill_memory_file, read_memory_file
from app.errors import InternalError


def keep(cache: HotCache, name: str, size: int, *, policy: str = "p", pinned: bool = False) -> bool:
    return cache.keep(
        name=name,
        dataset=f"{name}_base",
        policy=policy,
        snapshot="10:10:",
        file=create_memory_file(),
        size=size,
        rows=1,
        pinned=pinned,
    )


def names(cache: HotCache) -> list[str]:
    return sorted(export.name for export in cache.list_exports())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_least_recently_used_goes_first() -> None:
    cache = HotCache(100)
    assert keep(cache, "a", 40) and keep(cache, "b", 40)
    a = cache.find("a", "p")
    assert a is not None
    os.close(cache.use(a, "20:20:", pinned=False))
    assert keep(cache, "c", 40)
    assert names(cache) == ["a", "c"] and cache.used_bytes == 80
    stats = cache.get_stats()
    assert (stats.hits, stats.evictions, stats.bytes, stats.max_bytes) == (1, 1, 80, 100)
    assert a.snapshot == "20:20:"


def test_pinned_ones_stay_and_what_does_not_fit_is_not_kept() -> None:
    cache = HotCache(100)
    assert keep(cache, "a", 60, pinned=True)
    assert not keep(cache, "b", 50) and not keep(cache, "c", 101)
    assert keep(cache, "d", 40) and keep(cache, "e", 40)
    assert names(cache) == ["a", "e"]
    assert [e.name for e in cache.set_pinned("a_base", pinned=False)] == ["a"]
    assert keep(cache, "f", 100)
    assert names(cache) == ["f"]


def test_there_are_never_too_many_files() -> None:
    cache = HotCache(10_000)
    assert all(keep(cache, f"r{n}", 1) for n in range(MAX_EXPORTS + 5))
    assert len(names(cache)) == MAX_EXPORTS and "r4" not in names(cache) and "r5" in names(cache)
    cache.close()


def test_a_newer_one_takes_the_place_of_its_policy_alone() -> None:
    cache = HotCache(100)
    assert keep(cache, "a", 10) and keep(cache, "a", 20, policy="q") and keep(cache, "a", 30)
    assert sorted(e.size for e in cache.list_exports(["a"])) == [20, 30]
    found = cache.find("a", "p")
    assert found is not None and found.size == 30 and cache.find("a", "r") is None


def test_every_file_is_closed() -> None:
    before = open_files()
    cache = HotCache(100)
    keep(cache, "a", 60)
    keep(cache, "b", 60)
    keep(cache, "c", 200)
    found = cache.find("b", "p")
    assert found is not None
    mine = cache.use(found, "1:1:", pinned=False)
    assert [e.name for e in cache.evict("b_base")] == ["b"]
    assert os.fstat(mine).st_size == 0
    os.close(mine)
    keep(cache, "d", 1)
    cache.close()
    assert open_files() == before


@pytest.mark.parametrize("rows", [0, 3, 200_000])
def test_a_memory_file_has_the_table_and_cannot_be_changed(rows: int) -> None:
    table = pa.table({"n": pa.array(range(rows), pa.int64()), "t": pa.array(["é"] * rows, pa.string())})
    file = create_memory_file()
    with pytest.raises(InternalError, match="not sealed"):
        check_sealed(file)
    assert fill_memory_file(file, table) == os.fstat(file).st_size
    check_sealed(file)
    assert read_memory_file(file).equals(table)
    with pytest.raises(OSError, match="not permitted"):
        os.write(file, b"x")
    os.close(file)
