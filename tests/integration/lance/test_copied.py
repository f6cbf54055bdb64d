"""What Lance is asked and what becomes of its failures, without a database."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import DiskFullError
from app.lance import copied as copied_module
from app.lance.copied import Copied, CopyError, lance_errors

pytest.importorskip("lancedb")

DIMENSIONS, ROWS = 16, 600


def vectors(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float16)


async def fill(path: Path, count: int = ROWS) -> Copied:
    copied = await Copied.create(path, DIMENSIONS)
    await copied.add(np.arange(count, dtype=np.int64), vectors(count))
    return copied


def nearest(query: np.ndarray, halves: np.ndarray, count: int) -> set[int]:
    rows, asked = halves.astype(np.float32), query.astype(np.float32)
    scores = rows @ asked / np.linalg.norm(rows, axis=1)
    return set(np.argsort(-scores)[:count].tolist())


async def test_append_access_search_and_delete(tmp_path: Path) -> None:
    copied = await fill(tmp_path / "a")
    halves = vectors(ROWS)
    assert set(await copied.find(halves[3], 5, 50)) == nearest(halves[3], halves, 5)
    ids, taken = await copied.take([7, 3, 10_000])
    assert sorted(ids.tolist()) == [3, 7]
    assert (taken[ids.tolist().index(7)] == halves[7]).all(), "the very bytes"
    await copied.delete([3, 10_000])
    assert 3 not in await copied.find(halves[3], 5, 50)
    assert (await copied.read_ids()).tolist() == [n for n in range(ROWS) if n != 3]


async def test_a_large_one_has_a_graph_and_takes_in_what_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copied_module, "GRAPH_FROM", 500)
    monkeypatch.setattr(copied_module, "UNINDEXED", 50)
    copied = await fill(tmp_path / "a")
    assert await copied.needs_tidying()
    await copied.tidy()
    assert not await copied.needs_tidying()
    more = vectors(100, seed=2)
    await copied.add(np.arange(ROWS, ROWS + 100), more)
    halves = np.concatenate([vectors(ROWS), more])
    found = await copied.find(more[5], 10, 200)
    assert ROWS + 5 in found and await copied.needs_tidying()
    await copied.tidy()
    [index] = await copied.table.list_indices()
    assert index.index_type == "IvfHnswSq" and not await copied.needs_tidying()
    stats = await copied.table.index_stats(index.name)
    assert (stats.num_indexed_rows, stats.num_unindexed_rows) == (ROWS + 100, 0)
    shares = [len(set(await copied.find(q, 30, 200)) & nearest(q, halves, 10)) for q in vectors(20, seed=3)]
    assert np.mean(shares) / 10 > 0.97


async def test_readers_go_on_while_one_writes_and_tidies(tmp_path: Path) -> None:
    writer = await fill(tmp_path / "a")
    reader = await Copied.open(tmp_path / "a", DIMENSIONS)
    for n in range(5):
        await writer.add(np.arange(1000 + n * 10, 1010 + n * 10), vectors(10, seed=n))
        await writer.tidy()
        assert len(await reader.find(vectors(1)[0], 5, 50)) == 5
    assert (await reader.read_ids()).size == ROWS, "it stays at the version it was opened at"
    assert (await (await Copied.open(tmp_path / "a", DIMENSIONS)).read_ids()).size == ROWS + 50


async def test_other_dimensions_and_no_copy_are_said(tmp_path: Path) -> None:
    await fill(tmp_path / "a", 10)
    with pytest.raises(CopyError, match="does not have vectors of 8 dimensions"):
        await Copied.open(tmp_path / "a", 8)
    with pytest.raises(CopyError, match="Lance: "):
        await Copied.open(tmp_path / "b", 8)


@pytest.mark.parametrize("pattern", ["*.lance/data/*.lance", "*.lance/_versions/*"])
@pytest.mark.parametrize("damage", ["cut", "zeros", "gone"])
async def test_a_damaged_file_is_an_error_and_not_the_end(tmp_path: Path, pattern: str, damage: str) -> None:
    await fill(tmp_path / "a")
    for path in (tmp_path / "a").glob(pattern):
        match damage:
            case "cut":
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            case "zeros":
                path.write_bytes(bytes(path.stat().st_size))
            case _:
                path.unlink()
    with pytest.raises(CopyError):
        copied = await Copied.open(tmp_path / "a", DIMENSIONS)
        await copied.read_ids()


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (OSError("LanceError(IO): No space left on device (os error 28)"), DiskFullError),
        (RuntimeError("lance error: Not found"), CopyError),
        (BaseException("a panic in Rust"), CopyError),
    ],
)
def test_what_it_raises_is_one_of_ours(raised: BaseException, kind: type[Exception]) -> None:
    with pytest.raises(kind), lance_errors():
        raise raised
