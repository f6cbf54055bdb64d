"""A COPY's bytes become ids and vectors, and of other dimensions they are refused."""

import struct

import numpy as np
import pytest

from app.errors import InternalError
from app.lance.read import parse_vectors

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def copy_of(rows: list[tuple[int, list[float]]]) -> bytes:
    parts = [
        struct.pack(">hiqihh", 2, 8, chunk_id, 4 + 2 * len(vector), len(vector), 0)
        + np.array(vector, ">f2").tobytes()
        for chunk_id, vector in rows
    ]
    return HEADER + b"".join(parts) + b"\xff\xff"


def test_rows_come_as_they_were_sent() -> None:
    ids, vectors = parse_vectors(copy_of([(7, [1.0, -0.5, 0.25]), (2**40, [0.0, 65504.0, 6e-8])]), 3)
    assert ids.tolist() == [7, 2**40] and ids.dtype == np.int64
    assert vectors.dtype == np.float16
    assert vectors.tolist() == np.array([[1.0, -0.5, 0.25], [0.0, 65504.0, 6e-8]], np.float16).tolist()


def test_no_rows() -> None:
    ids, vectors = parse_vectors(copy_of([]), 384)
    assert len(ids) == 0 and vectors.shape == (0, 384)


@pytest.mark.parametrize("dimensions", [2, 4, 384])
def test_other_dimensions_are_refused(dimensions: int) -> None:
    # so many rows that their bytes could be those of rows of another size
    size = 2 + 4 + 8 + 4 + 4
    rows = [(n, [1.0, 2.0, 3.0]) for n in range(size + 2 * dimensions)]
    with pytest.raises(InternalError):
        parse_vectors(copy_of(rows), dimensions)
