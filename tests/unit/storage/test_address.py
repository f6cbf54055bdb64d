"""Bucket URLs."""

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import BucketSettings
from app.storage.address import parse_address

HOME = Path("/srv/home")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file:///data/lake", "file:///data/lake"),
        ("file:///data/lake/", "file:///data/lake"),
        ("file://data/lake", "file:///srv/home/data/lake"),
        ("data", "file:///srv/home/data"),
        ("s3://lake", "s3://lake"),
        ("s3://lake/", "s3://lake"),
        ("s3://lake/a/b/", "s3://lake/a/b"),
        ("gs://lake/a", "gs://lake/a"),
        ("az://lake", "az://lake"),
    ],
)
def test_a_url_is_read(url, shown):
    assert parse_address(BucketSettings("b", url), HOME).url == shown


@pytest.mark.parametrize(
    "url",
    [
        "", "file://", "ftp://host/x", "http://host/x", "s3://", "s3:///x", "s3://lake/../x", "s3://lake/a//x",
        "s3://key:hunter2@lake", "s3://lake?secret=hunter2", "s3://lake#hunter2", "file:///a/../b", "s3://[x",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(url):
    with pytest.raises(SettingsError, match="bucket 'b'") as caught:
        parse_address(BucketSettings("b", url), HOME)
    assert "hunter2" not in caught.value.message


def test_an_endpoint_without_encryption_has_to_be_meant():
    with pytest.raises(SettingsError, match="allow_http"):
        parse_address(BucketSettings("b", "s3://lake", endpoint="http://minio:9000"), HOME)
    address = parse_address(
        BucketSettings("b", "s3://lake", endpoint="http://minio:9000", allow_http=True), HOME
    )
    assert address.endpoint == "http://minio:9000"


@pytest.mark.parametrize("endpoint", ["minio:9000", "https://key:hunter2@minio", "file:///x", "ftp://minio"])
def test_an_endpoint_is_a_plain_server(endpoint):
    with pytest.raises(SettingsError) as caught:
        parse_address(BucketSettings("b", "s3://lake", endpoint=endpoint, allow_http=True), HOME)
    assert "hunter2" not in caught.value.message


def test_a_secret_in_the_place_of_its_reference_is_refused():
    with pytest.raises(SettingsError) as caught:
        parse_address(BucketSettings("b", "s3://lake", secret_ref="AKIA:hunter2"), HOME)
    assert "hunter2" not in caught.value.message


def test_a_folder_needs_no_secret():
    with pytest.raises(SettingsError, match="folder"):
        parse_address(BucketSettings("b", "file:///x", secret_ref="env:X"), HOME)
