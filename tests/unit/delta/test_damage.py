import pytest

from app.delta.damage import find_damage
from app.errors import DamagedFileError, UnavailableError


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "DataFusion error: Parquet error: Parquet error: Invalid Parquet file. Corrupt footer",
            "Corrupt footer",
        ),
        (
            "Parquet error: External: invalid utf-8 sequence of 1 bytes from index 320",
            "damaged: invalid utf-8",
        ),
        (
            "DataFusion error: Arrow error: Parquet argument error: Parquet error: Unexpected PageType 59",
            "PageType",
        ),
        ("Parquet error: Parquet error: Parquet file has an encrypted footer but …", "no key for it"),
        ("Parquet error: cannot read /home/x/people.parquet", "a file of a dataset is damaged"),
    ],
)
def test_a_file_that_cannot_be_read(text: str, says: str) -> None:
    found = find_damage(text)
    assert isinstance(found, DamagedFileError) and found.status == 503
    assert says in found.message and "/" not in found.message


@pytest.mark.parametrize(
    "text",
    [
        "DataFusion error: Object Store error: Generic S3 error: Error performing GET http://10.0.0.1/b/key?X-Amz=1",
        "DataFusion error: Parquet error: External: Generic S3 error: Error performing GET http://10.0.0.1/b",
        "Object Store error: Generic LocalFileSystem error: /home/x",
    ],
)
def test_a_bucket_that_goes_away_is_not_named(text: str) -> None:
    found = find_damage(text)
    assert type(found) is UnavailableError and found.extra["retry_after_s"] > 0
    assert not any(word in found.message for word in ("http", "/", "S3", "key"))


@pytest.mark.parametrize(
    "text",
    [
        "Arrow error: Cast error: Cannot cast string 'Parquet error: x' to value of Int64 type",
        "Error during planning: table 'Object Store error' not found",
        "Divide by zero error",
    ],
)
def test_what_a_query_says_itself_is_none(text: str) -> None:
    assert find_damage(text) is None
