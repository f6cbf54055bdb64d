"""The error tree: one stable code and one status each, drawn in the docstring as it is."""

import re
from collections.abc import Iterator

import pytest

from app import errors


def tree(kind: type[errors.LakewardError]) -> Iterator[type[errors.LakewardError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


ALL = list(tree(errors.LakewardError))


def test_codes_are_snake_case_and_nobody_elses():
    codes = [kind.code for kind in ALL]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", ALL)
def test_each_has_a_sentence_and_a_status(kind):
    assert kind.__doc__.endswith(".")
    assert 400 <= kind.status <= 599
    error = kind()
    assert str(error) == error.message == kind.__doc__
    assert not error.title.endswith(".")
    assert error.extra == {}


def test_a_message_and_what_helps():
    error = errors.ProfileNotBoundError("no", allowed_bindings=["people"])
    assert (error.message, error.extra, error.code) == (
        "no",
        {"allowed_bindings": ["people"]},
        "profile_not_bound",
    )
    assert error.title == "The profile has no binding to this relation"


def test_a_child_has_its_parents_status_unless_the_drawing_says_otherwise():
    """The module's docstring draws the tree with the statuses: both must be the code's."""
    drawn = dict(re.findall(r"(\w+Error) +(\d{3}|–)", errors.__doc__ or ""))
    names = re.findall(r"\w+Error", errors.__doc__ or "")
    assert sorted(names) == sorted(kind.__name__ for kind in ALL)
    for kind in ALL:
        if drawn.get(kind.__name__, "–") != "–":
            assert kind.status == int(drawn[kind.__name__]), kind


def test_the_drawing_has_each_under_its_parent():
    parents: list[str] = ["LakewardError"]
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│ ]*)[├└]── (\w+Error)", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        parents[depth + 1 :] = [found[2]]
        assert getattr(errors, found[2]).__bases__ == (getattr(errors, parents[depth]),), found[2]
