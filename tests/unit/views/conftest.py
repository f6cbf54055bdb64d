import pytest

COLUMNS = {
    "active": "boolean",
    "age": "bigint",
    "score": "double precision",
    "price": "numeric",
    "born": "date",
    "opens": "time",
    "ts": "timestamp",
    "at": "timestamptz",
    "name": "text",
    "city": "text",
    "tags": "text[]",
    "extra": "jsonb",
    "photo": "bytea",
    "Full Name": "text",
    "É": "text",
    "type": "text",
    "date": "date",
    "case": "text",
}


@pytest.fixture(scope="session")
def columns() -> dict[str, str]:
    """A column of each type, and names that are hard to read."""
    return COLUMNS
