"""The Range header."""

import pytest

from app.storage.ranges import ByteRange, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=5-9", ByteRange(5, 9)),
        ("bytes=5-", ByteRange(5)),
        ("bytes=-3", ByteRange(None, suffix=3)),
        ("BYTES = 1 - 2", ByteRange(1, 2)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=9-5", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=0-99999999999999999999", None),
    ],
)
def test_one_range_or_none(header, expected):
    assert parse_range(header) == expected


def test_the_last_byte_is_part_of_it_for_http_and_not_for_obstore():
    assert ByteRange(5, 9).for_obstore() == (5, 10)
    assert ByteRange(5).for_obstore() == {"offset": 5}
    assert ByteRange(None, suffix=3).for_obstore() == {"suffix": 3}
