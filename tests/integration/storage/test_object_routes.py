"""Objects through the API, in a folder and in S3."""

import pytest

from tests.integration.api.conftest import problem

BUCKETS = ["folder", "primary", "rescue"]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_an_object_is_written_read_listed_and_deleted(world, bucket):
    path = world.path(bucket, "reports/2024.csv")
    put = world.admin.put(path, content=b"a,b\n1,2\n")
    assert put.status_code == 201, put.text
    assert put.json()["size"] == 8 and put.json()["created"] is True
    assert world.admin.put(path, content=b"a,b\n1,2\n").status_code == 200
    got = world.admin.get(path)
    assert got.content == b"a,b\n1,2\n" and "X-Lakehouse-Rescue-Used" not in got.headers
    head = world.admin.head(path)
    assert head.status_code == 200 and head.headers["content-length"] == "8" and head.content == b""
    listed = world.admin.get(f"/storage/buckets/{bucket}/objects", params={"prefix": "reports/20"}).json()
    assert [item["key"] for item in listed["items"]] == ["reports/2024.csv"]
    assert world.admin.delete(path).status_code == 200
    problem(world.admin.get(path), 404, "not_found")
    problem(world.admin.delete(path), 404, "not_found")
    assert world.admin.head(path).status_code == 404
