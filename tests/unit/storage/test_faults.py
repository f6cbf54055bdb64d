"""What a store's failure means; made by real stores where that is easy, and spelt out where it is not."""

import obstore
import pytest
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import LocalStore, S3Store

from app import errors
from app.storage.faults import Fault, find_fault, to_error

SIGNED = (
    "Error performing GET http://h/b/k in 2ms - Server returned non-2xx status code: 403 Forbidden: "
    "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIAHUNTER2</AWSAccessKeyId></Error>"
)


def fault(act) -> Fault:
    with pytest.raises(Exception) as caught:
        act()
    found = find_fault(caught.value)
    assert found is not None, caught.value
    return found


@pytest.fixture
def folder(tmp_path):
    return LocalStore(tmp_path)


def test_what_a_folder_says(folder, tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    assert fault(lambda: obstore.get(folder, "nope")).kind == "missing"
    assert fault(lambda: obstore.head(folder, "dir")).kind == "missing"
    assert fault(lambda: obstore.get(folder, "file/under")).kind == "below_object"
    assert fault(lambda: obstore.put(folder, "file/under", b"x")).kind == "below_object"
    assert fault(lambda: obstore.put(folder, "x" * 300, b"x")).kind == "invalid"
    assert fault(lambda: obstore.put(folder, "x#1", b"x")).kind == "invalid"
    assert fault(lambda: obstore.put(folder, "a/../b", b"x")).kind == "invalid"
    assert fault(lambda: obstore.put(folder, "file", b"x", mode="create")).kind == "conflict"


def test_what_nobody_says():
    store = S3Store(
        "b",
        endpoint="http://127.0.0.1:1",
        access_key_id="AKIAHUNTER2",
        secret_access_key="s",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    found = fault(lambda: obstore.get(store, "k"))
    assert found.kind == "unreachable" and found.is_outage


@pytest.mark.parametrize(
    ("exc", "kind", "reason"),
    [
        (PermissionDeniedError(SIGNED), "denied", "403 SignatureDoesNotMatch"),
        (GenericError("status code: 404 Not Found: <Code>NoSuchBucket</Code>"), "no_bucket", "NoSuchBucket"),
        (
            FileNotFoundError("status code: 404 Not Found: <Code>NoSuchKey</Code>"),
            "missing",
            "no such object",
        ),
        (GenericError("status code: 503 Slow Down: <Code>SlowDown</Code>"), "failed", "503 SlowDown"),
        (GenericError("status code: 507: <Code>XMinioStorageFull</Code>"), "disk_full", "507"),
        (GenericError("status code: 400: <Code>KeyTooLongError</Code>"), "invalid", "KeyTooLongError"),
        (GenericError("Unable to copy data: No space left on device (os error 28)"), "disk_full", "space"),
        (GenericError("File too large (os error 27)"), "disk_full", "large"),
        (GenericError("Permission denied (os error 13)"), "denied", "permission"),
        (GenericError("Input/output error (os error 5)"), "failed", "input/output"),
        (GenericError("HTTP error: request or response body error: operation timed out"), "timeout", "time"),
        (TimeoutError(), "timeout", "time"),
        (errors.SettingsError("the secret env:X is not set or empty"), "denied", "env:X"),
    ],
)
def test_kinds_and_reasons(exc, kind, reason):
    found = find_fault(exc)
    assert found is not None and found.kind == kind and reason in found.reason
    assert "HUNTER2" not in found.reason and "http://" not in found.reason


@pytest.mark.parametrize("exc", [ValueError("a bug"), RuntimeError("a bug"), errors.InvalidInputError("no")])
def test_what_is_not_a_buckets_is_none(exc):
    assert find_fault(exc) is None


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("missing", errors.NotFoundError, 404),
        ("below_object", errors.ConflictError, 409),
        ("invalid", errors.InvalidInputError, 400),
        ("conflict", errors.ConflictError, 409),
        ("disk_full", errors.DiskFullError, 507),
        ("unreachable", errors.UnavailableError, 503),
        ("denied", errors.UnavailableError, 503),
    ],
)
def test_faults_are_errors_of_the_tree(kind, error, code):
    made = to_error(Fault(kind, "why"), "b", "k", writing=True)
    assert type(made) is error and made.status == code
    assert code < 503 or made.extra["retry_after_s"] > 0
