"""One bucket's clients, and that its secret stays inside."""

import logging

import msgspec
import obstore
import pytest

from app.errors import SettingsError
from app.settings import BucketSettings
from app.storage.address import Address, parse_address
from app.storage.bucket import Bucket


@pytest.fixture
def s3(monkeypatch, tmp_path):
    monkeypatch.setenv("LW_S", "AKIA1:hunter2")
    settings = BucketSettings(
        "lake",
        "s3://data/pre",
        secret_ref="env:LW_S",
        endpoint="http://h:9000",
        region="eu-west-1",
        allow_http=True,
    )
    return Bucket(parse_address(settings, tmp_path))


def test_a_folder(tmp_path):
    bucket = Bucket(parse_address(BucketSettings("here", str(tmp_path)), tmp_path))
    obstore.put(bucket.store, "ü/x", b"1")
    path = bucket.local_path("ü/x")
    assert path is not None and path.read_bytes() == b"1"
    assert bucket.delta("ü") == (str(tmp_path / "ü"), {})
    assert bucket.engine_store()[1] is None and bucket.engine_uri("ü/x") == str(path)
    assert bucket.plain().credentials == {}


def test_a_folder_that_is_not_there(tmp_path):
    bucket = Bucket(parse_address(BucketSettings("here", str(tmp_path / "gone")), tmp_path))
    with pytest.raises(FileNotFoundError):
        _ = bucket.store


def test_what_deltalake_is_told(s3):
    uri, options = s3.delta("people")
    assert uri == "s3://data/pre/people"
    assert options["aws_access_key_id"] == "AKIA1" and options["aws_secret_access_key"] == "hunter2"
    assert options["aws_endpoint"] == "http://h:9000" and options["allow_http"] == "true"
    assert options["aws_region"] == "eu-west-1" and options["aws_virtual_hosted_style_request"] == "false"
    assert s3.local_path("people") is None


def test_the_engine_names_a_bucket_by_our_name(s3):
    url, store = s3.engine_store()
    assert url == "s3://lake" and store is not None
    assert s3.engine_uri("people/1.parquet") == "s3://lake/pre/people/1.parquet"


def test_another_process_gets_plain_data_and_needs_no_environment(s3, monkeypatch):
    sent = msgspec.msgpack.encode(s3.plain())
    monkeypatch.delenv("LW_S")
    there = Bucket(msgspec.msgpack.decode(sent, type=Address))
    assert there.delta("people") == s3.delta("people")


def test_a_secret_is_read_when_it_is_wanted_and_again_after_forget(s3, monkeypatch):
    monkeypatch.setenv("LW_S", "AKIA2:first")
    assert s3.delta("x")[1]["aws_access_key_id"] == "AKIA2"
    monkeypatch.setenv("LW_S", "AKIA3:second")
    assert s3.delta("x")[1]["aws_access_key_id"] == "AKIA2"
    s3.forget()
    assert s3.delta("x")[1]["aws_access_key_id"] == "AKIA3"
    monkeypatch.delenv("LW_S")
    s3.forget()
    with pytest.raises(SettingsError, match="env:LW_S"):
        _ = s3.store


def test_no_repr_has_the_secret(s3, caplog):
    caplog.set_level(logging.DEBUG)
    plain = s3.plain()
    for shown in (s3, plain, [plain], s3.store):
        assert "hunter2" not in repr(shown) and "hunter2" not in str(shown)
    assert "hunter2" not in caplog.text
