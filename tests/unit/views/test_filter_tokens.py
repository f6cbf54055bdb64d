"""What is refused before the parser sees it."""

import pytest

from app.errors import InvalidInputError
from app.views.filter_tokens import require_filter_tokens

NAMES = frozenset({"name", "case", "date"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = E'x'", "E'x'"),
        ("name = U&'x'", "U&'x'"),
        ("name = N'x'", "N'x'"),
        ("name = B'1'", "B'1'"),
        ("name = X'1f'", "X'1f'"),
        ("name = $$x$$", "parameters"),
        ("name = $a$x$a$", "parameters"),
        ("name = 0x1f", "0x1f"),
        ("name = 'a' 'b'", "side by side"),
        ("name = 'a'\n'b'", "side by side"),
        ("name = .5", r"0\.5"),
        ("a.b", "dot"),
        ("name == 'x'", "=="),
        ("name ~~ 'x'", "~~"),
        ("name || 'x'", r"\|\|"),
        ("name # comment", "#"),
        ("name {{ x }}", "parameters"),
        ("name {# x #}", "comments"),
        ("name -- x", "comments"),
        ("--", "comments"),
        ("name /* /* x */ */", "comments"),
        ("\x00", "character"),
        ("name = '\ud800'", "character"),
        ("case = 'x'", 'write the column as "case"'),
        ("select", "subqueries"),
        ("SELECT", "subqueries"),
        ("case when", 'write the column as "case"'),
        ("over", "window"),
        ("name like 'x' escape '!'", "ESCAPE"),
        ("name similar to 'x'", "similar to"),
        ("name rlike 'x'", "regular expressions"),
        ("name = any ('x')", "ANY"),
        ('"lower"(name)', "function"),
        ("md5 (name)", "function md5"),
        ("current_user = name", "who reads"),
        ("date < current_date", "current time"),
        ("name = 'it''s", "quote"),
    ],
)
def test_what_is_not_in_the_grammar_is_named(text, says):
    with pytest.raises(InvalidInputError, match=says):
        require_filter_tokens(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "name = '-- /* ; $1 :x ( select'",
        "\"; -- select\" = 'x'",
        "\"case\" = 'x'",
        "name = 'it''s'\t and\r\n not (name) in ('a')",
        "name = 1.5e-3 or name = 1. or name = 1E5",
        "name<='x'and(name)between'a'and'b'",
    ],
)
def test_marks_within_quotes_and_white_space_pass(text):
    require_filter_tokens(text, NAMES)


def test_levels_are_counted_where_they_are_open():
    require_filter_tokens("(name) and " * 100 + "not name and " * 100 + "name", NAMES)
    require_filter_tokens("name in (-1, -1, -1) and " * 40 + "name", NAMES)
    for text in (
        "(" * 31 + "name" + ")" * 31,
        "(not " * 16 + "name" + ")" * 16,
        "not " * 31,
        ")" * 40 + "(" * 31,
    ):
        with pytest.raises(InvalidInputError, match="30 levels"):
            require_filter_tokens(text, NAMES)
