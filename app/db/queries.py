"""Named SQL: `queries.sql` beside its sender holds blocks that begin with `-- name --`.

The idea is procrastinate's (procrastinate/sql/__init__.py): SQL is written as SQL, in a file, with a name.
"""

import re
from pathlib import Path
from typing import LiteralString, cast

_BLOCK = re.compile(r"^-- ([a-z_]+) --[ \t]*$", re.MULTILINE)


def load_queries(beside: str, file: str = "queries.sql") -> dict[str, LiteralString]:
    """The statements of `file` in the folder of `beside` (pass `__file__`), by name.

    Raises:
        ValueError: a name is there twice.
    """
    path = Path(beside).with_name(file)
    parts = _BLOCK.split(path.read_text())
    queries: dict[str, LiteralString] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        if name in queries:
            raise ValueError(f"{path}: query {name} is there twice")
        # the file is part of the program, as literal as a string in it
        queries[name] = cast(LiteralString, text.strip())
    return queries
