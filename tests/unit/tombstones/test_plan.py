"""Keys as they are sent."""

import pytest

from app.errors import InvalidInputError
from app.tombstones.plan import MAX_KEY_BYTES, plan_keys


def test_keys_are_texts_each_once_in_their_order():
    assert plan_keys(["b", 1, "1", "a", "b", 2.5]) == ["b", "1", "a", "2.5"]


@pytest.mark.parametrize("key", ["x" * (MAX_KEY_BYTES + 1), "ü" * MAX_KEY_BYTES, "a\0b"])
def test_what_no_row_key_can_be_is_refused(key):
    with pytest.raises(InvalidInputError, match="row_key_values"):
        plan_keys([key])
