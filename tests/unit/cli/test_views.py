"""`lakeward view create --redact`: what is written becomes what is sent."""

import click
import pytest

from app.cli.views import _describe, _read_redactions

CONTEXT = click.Context(click.Command("create"))
PARAMETER = click.Option(["--redact"])


def test_redactions_are_read():
    assert _read_redactions(CONTEXT, PARAMETER, ("a=hash", "b=mask:2,3", "c=mask")) == {
        "a": {"action": "hash"},
        "b": {"action": "mask", "keep_prefix": 2, "keep_suffix": 3},
        "c": {"action": "mask"},
    }


@pytest.mark.parametrize("value", ["a", "a=", "=hash", ""])
def test_what_is_no_redaction_says_how_one_looks(value):
    with pytest.raises(click.BadParameter, match="COLUMN=ACTION"):
        _read_redactions(CONTEXT, PARAMETER, (value,))


def test_redactions_are_shown_in_words():
    assert _describe(None) == "as it is"
    assert _describe({"action": "mask", "keep_prefix": 2}) == "mask, 2 kept before and 0 after"
    assert _describe({"action": "hash"}) == "hash"
