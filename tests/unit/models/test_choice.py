"""Which configured model a name means."""

import pytest

from app.errors import NotFoundError
from app.models.choice import choose_model
from app.models.protocol import ModelInfo

A = ModelInfo("fake", "a", "1", 3)
FULL, SMALL = (ModelInfo("minilm", "m", version, 3) for version in ("fp32", "int8"))
REMOTE = ModelInfo("ollama", "m", "9", 4)
ALL = [A, FULL, SMALL, REMOTE]


def test_a_name_that_one_has_is_that_one():
    assert choose_model(ALL, "a") == A


@pytest.mark.parametrize(
    ("named", "found"),
    [({"version": "int8"}, SMALL), ({"provider": "ollama"}, REMOTE), ({"preferred": FULL}, FULL)],
)
def test_of_several_it_is_the_one_that_is_described_or_preferred(named, found):
    assert choose_model(ALL, "m", **named) == found


def test_several_are_listed_and_how_to_tell_them_apart():
    with pytest.raises(NotFoundError) as caught:
        choose_model(ALL, "m", "minilm", preferred=A)
    said = caught.value.message
    assert "m (fp32, minilm), m (int8, minilm)." in said and "a (1" not in said and "ollama" not in said
    assert "--provider, --version" in said and "models.embedders" not in said


@pytest.mark.parametrize("named", [("x",), ("m", "openai"), ("m", None, "7")])
def test_one_that_is_not_there_is_to_be_configured(named):
    with pytest.raises(NotFoundError, match=r"no configured model.*a \(1, fake\).*models\.embedders"):
        choose_model(ALL, *named, preferred=FULL)
    with pytest.raises(NotFoundError, match="there are: none"):
        choose_model([], *named)
