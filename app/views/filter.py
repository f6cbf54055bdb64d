"""Row filters: a boolean expression over the columns of one dataset, checked node by node.

The grammar, in which a name in double quotes is taken as it is and a bare one in lower case:

    filter     a boolean column | true | false | filter AND filter | filter OR filter | NOT filter | (filter)
               | value = value, and likewise <> < <= > >=, IS [NOT] DISTINCT FROM
               | value [NOT] IN (literal, …) | value [NOT] BETWEEN value AND value
               | value [NOT] LIKE 'pattern' | value [NOT] ILIKE 'pattern'
               | value IS [NOT] NULL | filter IS [NOT] TRUE | filter IS [NOT] FALSE
    value      a column | literal | lower(value) | upper(value) | trim(value) | length(value)
               | coalesce(value, value, …)
    literal    'text' | 42 | -1.5 | true | false | date '2020-01-31' | time | timestamp | timestamptz

It means what it means in Postgres, and this is fixed where servers and engines differ: text is ordered by code point;
lower, upper and ILIKE change the case of ASCII letters only; length counts code points; trim takes off spaces; LIKE
escapes by backslash; NaN equals NaN and is the largest number; a timestamptz without a zone is in UTC. Both sides have
one type, and a literal takes the type of what it is compared with; jsonb, bytea and text[] have IS NULL alone.
"""

from collections.abc import Mapping

import sqlglot
from sqlglot.errors import SqlglotError

from app.errors import InvalidInputError
from app.views.filter_reader import read_condition
from app.views.filter_tokens import require_filter_tokens, too_deep
from app.views.filter_types import MAX_NODES, MAX_TREE_DEPTH, Filter, list_nodes, measure_depth


def plan_filter(text: str, columns: Mapping[str, str]) -> Filter:
    """The checked filter of `text` over a dataset whose columns are `columns`, name to type of the catalog.

    What is not in the grammar is refused, so the tree holds nothing that a compiler must look at twice: columns that
    exist, literals of the types they are compared with, operators and functions of a fixed list. At most 10,000
    characters, 30 parentheses and NOTs within each other, 16 levels and 500 nodes of the tree. What is too long or too
    deep for the parser is refused before it is parsed.

    Raises:
        InvalidInputError: names what cannot be in a row filter, and what to write instead.
    """
    require_filter_tokens(text, frozenset(columns))
    try:
        parsed = [part for part in sqlglot.parse(text, read="postgres") if part is not None]
    except SqlglotError:
        raise InvalidInputError(
            "the row filter cannot be read; write comparisons such as age >= 18, joined with AND and OR"
        ) from None
    except RecursionError:
        raise too_deep() from None
    if len(parsed) != 1:
        raise InvalidInputError("a row filter is one expression")
    tree = read_condition(parsed[0], columns)
    nodes = list_nodes(tree)
    if len(nodes) > MAX_NODES:
        raise InvalidInputError(
            f"a row filter has at most {MAX_NODES} columns, values and operators; this has {len(nodes)}"
        )
    if measure_depth(tree) > MAX_TREE_DEPTH:
        raise InvalidInputError(
            f"a row filter has at most {MAX_TREE_DEPTH} levels of AND, OR, NOT and functions within each other; "
            f"this has {measure_depth(tree)}"
        )
    names = sorted({node["column"] for node in nodes if "column" in node})
    return Filter(text=text.strip(), tree=tree, columns=tuple(names))
