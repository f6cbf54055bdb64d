"""What would be right is said where a value is wrong."""

from typing import Any, Literal

import msgspec
import pytest

from app.mismatch import explain, explain_error


class Arm(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a body."""

    kind: Literal["halfvec", "binary"] | None = None
    efforts: dict[str, Literal[1, 2]] = {}


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    index: str = ""
    arms: list[Arm] = []
    named: dict[str, Arm] = {}


def explained(raw: Any) -> str:
    """What is said of it."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(raw, Body)
    return explain_error(caught.value, Body)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (
            {"arms": [{"kind": "float"}]},
            "arms[0].kind: Invalid enum value 'float'; it is one of 'binary', 'halfvec'",
        ),
        (
            {"named": {"a": {"kind": "x"}}},
            "named[...].kind: Invalid enum value 'x'; it is one of 'binary', 'halfvec'",
        ),
        ({"arms": [{"efforts": {"a": 3}}]}, "arms[0].efforts[...]: Invalid enum value 3; it is one of 1, 2"),
        ({"indx": "a"}, "there is no field 'indx'; did you mean 'index'?"),
        ({"arms": [{}, {"weight": 1}]}, "arms[1]: there is no field 'weight'; there are kind, efforts"),
        ({"x" * 2_000_000: 1}, f"there is no field '{'x' * 60}…'; there are index, arms, named"),
        ({"index": 1}, "index: Expected `str`, got `int`"),
    ],
)
def test_it_names_what_there_is(raw: Any, says: str) -> None:
    assert explained(raw) == says


def test_a_long_list_is_not_read_out() -> None:
    many = msgspec.defstruct("Many", [f"field_{n:02}" for n in range(21)], forbid_unknown_fields=True)
    assert explain("Object contains unknown field `other`", "", many) == "there is no field 'other'"


def test_where_it_is_not_known_it_is_as_it_was() -> None:
    assert explain("Invalid enum value 'x'", "nowhere[0].at", Body) == "Invalid enum value 'x'"
