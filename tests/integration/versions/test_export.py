"""An index as Parquet."""

import io

import numpy as np
import pyarrow.parquet as pq

from app.models.fake import FakeEmbedder
from tests.integration.api.conftest import Api, problem
from tests.integration.versions.conftest import ROWS
from tests.integration.versions.test_swap import TEXTS

URL = "/vectors/indexes/notes_v1/export"


def test_the_vectors_are_those_of_the_texts(swapping: Api) -> None:
    answer = swapping.admin.post(URL, json={"texts": True})
    assert answer.status_code == 200, answer.text
    found = pq.read_table(io.BytesIO(answer.content))
    assert found.column_names == ["chunk_id", "doc_key", "chunk_no", "start", "end", "text", "embedding"]
    assert found.num_rows == ROWS
    metadata = found.schema.metadata
    assert metadata[b"lakeward.model"] == b"fake" and metadata[b"lakeward.dimensions"] == b"384"
    rows = {row["doc_key"]: row for row in found.to_pylist()}
    assert rows["7"]["text"] == TEXTS[7] and rows["7"]["end"] == len(TEXTS[7])
    fake = FakeEmbedder()
    expected = np.array([fake._count_words(TEXTS[n]) for n in range(ROWS)])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose([rows[str(n)]["embedding"] for n in range(ROWS)], expected, atol=1e-3)


def test_texts_are_left_out_unless_asked_for(swapping: Api) -> None:
    answer = swapping.admin.post(URL, json={})
    assert "text" not in pq.read_table(io.BytesIO(answer.content)).column_names
    assert TEXTS[7].encode() not in answer.content


def test_it_is_the_admins_and_on_record(swapping: Api) -> None:
    with swapping.reader("reader") as reader:
        problem(reader.post(URL, json={}), 403, "forbidden")
    problem(swapping.admin.post("/vectors/indexes/nothing/export", json={}), 404, "not_found")
    with swapping.deployed.connect("owner") as owner:
        rows = owner.execute(
            "select rows from lakeward.audit_entry where operation = 'export notes_v1'"
        ).fetchall()
    assert rows[0][0] == ROWS
