"""The same bucket through obstore, deltalake and DataFusion, against a real S3 server."""

import io
import time

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake

from app.settings import BucketSettings
from app.storage.address import parse_address
from app.storage.bucket import Bucket

ROWS = pa.table({"id": [1, 2, 3], "name": ["Ada", "Grace", "Mary"]})


@pytest.fixture
def bucket(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("LW_S", "a:b")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
    url = f"s3://{s3.create(f'clients{time.monotonic_ns()}')}/pre fix"
    settings = BucketSettings("lake", url, endpoint=s3.url, secret_ref="env:LW_S", allow_http=True)
    return Bucket(parse_address(settings, tmp_path))


def test_deltalake_writes_what_obstore_lists(bucket):
    uri, options = bucket.delta("people")
    write_deltalake(uri, ROWS, storage_options=options)
    write_deltalake(uri, ROWS, mode="append", storage_options=options)
    table = DeltaTable(uri, storage_options=options)
    assert table.version() == 1 and table.to_pyarrow_table().num_rows == 6
    keys = [meta["path"] for meta in bucket.store.list("people").collect()]
    assert "people/_delta_log/00000000000000000001.json" in keys


def test_the_engine_reads_what_obstore_wrote(bucket, s3, tmp_path):
    """Two buckets whose containers have one name are two to the engine: they are named as we name them."""
    parquet = io.BytesIO()
    pq.write_table(ROWS, parquet)
    obstore.put(bucket.store, "ü/people.parquet", parquet.getvalue())
    context = SessionContext()
    url, store = bucket.engine_store()
    scheme, _, host = url.partition("://")
    context.register_object_store(f"{scheme}://", store, host)
    frame = context.read_parquet(bucket.engine_uri("ü/people.parquet"))
    assert frame.count() == 3
