"""What is refused before a parser sees it: size, depth, and every mark and word that the grammar does not have.

The tokens must cover the whole text but for white space, so that nothing (a comment, say) is read over silently. The
parser works by recursion, and here is what bounds it.
"""

import re

from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError

from app.errors import InvalidInputError
from app.views.filter_types import FUNCTIONS, MAX_CHARACTERS, MAX_DEPTH, MAX_NODES

_WORD = re.compile(r"[^\W\d][\w$]*")
_NUMBER = re.compile(r"\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MARKS = {"(", ")", ",", "=", "<>", "!=", "<", ">", "<=", ">=", "-"}
#: Words that may stand before a parenthesis without being a function's name.
_BEFORE_PARENTHESIS = {"and", "or", "not", "in", "between", "like", "ilike", "is", "from"}
_BEGINS_A_TERM = {"(", ",", "and", "or", "not", "-"}
#: A tree of 500 nodes has no more: a node is a token or two, and its parentheses.
_MAX_TOKENS = 4 * MAX_NODES

_REFUSED_MARKS = {
    ";": "a row filter is one expression; remove the ;",
    ".": "names with a dot are not available: a row filter reads the columns of its own dataset, by their bare names",
    "::": "casts are not available in a row filter; write the value in the column's own type",
    "*": "* is not available in a row filter; name a column",
}
_PARAMETER = "parameters ($1, :name, ?, @name) are not available in a row filter; write the value itself"
_SUBQUERY = "subqueries are not available in a row filter; it decides by the row's own columns"
_CAST = "casts are not available in a row filter; write the value in the column's own type"
_NOW = "the current time is not available in a row filter; write the date itself"
_WHO = "who reads is not available in a row filter; make a view for each, and bind profiles to theirs"
_REFUSED_WORDS = {
    **dict.fromkeys(("select", "with", "values", "table", "exists", "union"), _SUBQUERY),
    **dict.fromkeys(
        ("any", "some", "all"), "ANY, SOME and ALL are not available in a row filter; use IN or OR"
    ),
    **dict.fromkeys(
        ("symmetric", "asymmetric"), "SYMMETRIC is not available in a row filter; write both ends in order"
    ),
    **dict.fromkeys(
        ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"), _NOW
    ),
    **dict.fromkeys(
        ("current_user", "session_user", "current_role", "current_catalog", "current_schema"), _WHO
    ),
    **dict.fromkeys(("cast", "try_cast", "convert"), _CAST),
    "case": "CASE is not available in a row filter; write it with AND and OR",
    "over": "window functions are not available in a row filter; it decides row by row",
    "collate": "COLLATE is not available in a row filter; text is ordered by code point",
    "escape": "ESCAPE is not available in a row filter; the escape character is the backslash",
    "array": "arrays are not available in a row filter, except for IS NULL",
    "interval": "intervals are not available in a row filter; write the date itself",
    **dict.fromkeys(
        ("regexp", "rlike", "glob"),
        "regular expressions are not available in a row filter; use LIKE or ILIKE",
    ),
}


def require_filter_tokens(text: str, columns: frozenset[str]) -> None:
    """Pass, or say what of `text` cannot be in a row filter; the time it takes grows with the length alone.

    `columns` are the names that a message tells to put in double quotes when they are also words of SQL.

    Raises:
        InvalidInputError: it is too long or too deep, or has a comment, a second statement, a mark, word or function
            that the grammar does not have.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInputError(
            f"a row filter has at most {MAX_CHARACTERS:,} characters; this has {len(text):,}"
        )
    if bad := re.search("[\x00\ud800-\udfff]", text):
        raise InvalidInputError(f"the character {bad.group()!r} cannot be in a row filter")
    tokens = _cut(text)
    if not tokens:
        raise InvalidInputError("the row filter is empty; leave it out to show every row")
    _require_shallow(tokens)
    if len(tokens) > _MAX_TOKENS:
        raise InvalidInputError(
            f"a row filter has at most {MAX_NODES} columns, values and operators; this has more"
        )
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        _require_known(before, token, after, columns)


def too_deep() -> InvalidInputError:
    """What a filter with too many levels is refused with."""
    return InvalidInputError(
        f"a row filter has at most {MAX_DEPTH} levels of parentheses and NOT; this has more"
    )


def _cut(text: str) -> list[str]:
    """The tokens as they stand in the text, words in lower case."""
    try:
        found = Postgres().tokenize(text)
    except SqlglotError:
        raise InvalidInputError("the row filter cannot be read: a quote is not closed") from None
    tokens, end = [], 0
    for token in found:
        _require_space(text[end : token.start])
        end = token.end + 1
        piece = text[token.start : end]
        tokens.append(piece.lower() if _WORD.fullmatch(piece) else piece)
    _require_space(text[end:])
    return tokens


def _require_space(gap: str) -> None:
    if gap.strip():
        raise InvalidInputError("comments are not available in a row filter; remove them")


def _require_shallow(tokens: list[str]) -> None:
    """Parentheses, and the signs and NOTs before a term, are what the parser goes down for."""
    prefixes, total, before = [0], 0, "("
    for token in tokens:
        if token == "(":
            prefixes.append(0)
            total += 1
        elif token == ")" and len(prefixes) > 1:
            total -= prefixes.pop() + 1
        elif token in ("not", "-") and before in _BEGINS_A_TERM:
            prefixes[-1] += 1
            total += 1
        elif token in ("and", "or", ","):
            total -= prefixes[-1]
            prefixes[-1] = 0
        if total > MAX_DEPTH:
            raise too_deep()
        before = token


def _require_known(before: str, token: str, after: str, columns: frozenset[str]) -> None:
    if token.startswith("'"):
        if before.startswith("'"):
            raise InvalidInputError("two texts stand side by side; write them as one")
    elif token.startswith('"'):
        if after == "(":
            raise _unknown_function(token)
    elif _WORD.fullmatch(token):
        _require_word(token, after, columns)
    elif not _NUMBER.fullmatch(token) and token not in _MARKS:
        raise _refused_mark(token, after)


def _require_word(word: str, after: str, columns: frozenset[str]) -> None:
    if word in _REFUSED_WORDS:
        if word in columns and after != "(":
            raise InvalidInputError(f'{word} is a word of SQL; write the column as "{word}"')
        raise InvalidInputError(_REFUSED_WORDS[word])
    if after == "(" and word not in _BEFORE_PARENTHESIS and word not in FUNCTIONS:
        raise _unknown_function(word)


def _unknown_function(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"the function {name[:60]} is not available in a row filter; there are {', '.join(sorted(FUNCTIONS))}"
    )


def _refused_mark(token: str, after: str) -> InvalidInputError:
    if token == "." and after.isdecimal():
        return InvalidInputError(f"a number begins with a digit; write 0.{after[:20]}")
    if token in _REFUSED_MARKS:
        return InvalidInputError(_REFUSED_MARKS[token])
    if token[0] in "$:?@{":
        return InvalidInputError(_PARAMETER)
    return InvalidInputError(
        f"{token[:20]!r} is not available in a row filter; there are = <> < <= > >=, IN, BETWEEN, LIKE, ILIKE, IS NULL"
    )
