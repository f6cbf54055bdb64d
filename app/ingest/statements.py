"""The statements that name a load table and its dataset's table. Identifiers only through psycopg.sql."""

from collections.abc import Sequence

from psycopg import sql

from app.catalog.models import StoredColumn

LAKE = "lake"


def table(name: str) -> sql.Identifier:
    """`lake.<name>`."""
    return sql.Identifier(LAKE, name)


def _names(columns: Sequence[StoredColumn]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def _values(columns: Sequence[StoredColumn], types: dict[str, str]) -> sql.Composed:
    """The load table's columns as the dataset's types; plan_load has checked that each fits."""
    return sql.SQL(", ").join(
        sql.SQL("l.{}::{}").format(sql.Identifier(column.name), sql.SQL(types[column.name]))
        if types[column.name] != column.type
        else sql.SQL("l.{}").format(sql.Identifier(column.name))
        for column in columns
    )


def append_rows(
    dataset: str, load: str, columns: Sequence[StoredColumn], types: dict[str, str]
) -> sql.Composed:
    """Every row of the load table, added."""
    return sql.SQL("insert into {} ({}) select {} from {} l").format(
        table(dataset), _names(columns), _values(columns, types), table(load)
    )


def merge_rows(
    dataset: str, load: str, columns: Sequence[StoredColumn], types: dict[str, str], key: str
) -> list[sql.Composed]:
    """Rows whose key is there are updated where they differ, the others added."""
    others = [column for column in columns if column.name != key]
    key_type = sql.SQL(types[key])
    join = sql.SQL("l.{key}::{type} = d.{key}").format(key=sql.Identifier(key), type=key_type)
    insert = sql.SQL(
        "insert into {} ({}) select {} from {} l where not exists (select from {} d where {})"
    ).format(table(dataset), _names(columns), _values(columns, types), table(load), table(dataset), join)
    if not others:
        return [insert]
    update = sql.SQL("update {} d set {} from {} l where {} and ({}) is distinct from ({})").format(
        table(dataset),
        sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column.name), _values([column], types))
            for column in others
        ),
        table(load),
        join,
        sql.SQL("row({})").format(sql.SQL(", ").join(sql.Identifier("d", c.name) for c in others)),
        sql.SQL("row({})").format(_values(others, types)),
    )
    return [update, insert]


def delete_missing(dataset: str, load: str, key: str) -> sql.Composed:
    """Rows whose key is not in the load table go."""
    return sql.SQL("delete from {} d where not exists (select from {} l where l.{key} = d.{key})").format(
        table(dataset), table(load), key=sql.Identifier(key)
    )


def delete_all(dataset: str) -> sql.Composed:
    """Every row goes, one statement, so that triggers hear of it; TRUNCATE would pass them by."""
    return sql.SQL("delete from {}").format(table(dataset))


def clashing_keys(dataset: str, load: str, key: str, key_type: str) -> sql.Composed:
    """Up to ten keys of the load table that the dataset has already, compared as the dataset's type."""
    return sql.SQL(
        "select d.{key}::text from {load} l join {dataset} d on d.{key} = l.{key}::{type} limit 10"
    ).format(load=table(load), dataset=table(dataset), key=sql.Identifier(key), type=sql.SQL(key_type))


def unique_key(load: str, key: str) -> list[sql.Composed]:
    """The row key is unique and never null: one index build, the fastest way to find out."""
    return [
        sql.SQL("alter table {} alter column {} set not null").format(table(load), sql.Identifier(key)),
        sql.SQL("create unique index on {} ({})").format(table(load), sql.Identifier(key)),
    ]


def rewrite_table(name: str) -> list[sql.Composed]:
    """A load table is written anew, without what was deleted from it; VACUUM FULL cannot be in a transaction."""
    parts = {"table": table(name), "fresh": table(f"{name}_"), "name": sql.Identifier(name)}
    steps = (
        "create table {fresh} (like {table} including all)",
        "insert into {fresh} select * from {table}",
        "drop table {table}",
        "alter table {fresh} rename to {name}",
        "analyze {table}",
    )
    return [sql.SQL(step).format(**parts) for step in steps]


def drop_table(name: str) -> sql.Composed:
    """A load table goes, or a dataset's with every reader's view of it."""
    return sql.SQL("drop table if exists {} cascade").format(table(name))


def count_rows(name: str) -> sql.Composed:
    """All rows of a table."""
    return sql.SQL("select count(*) from {}").format(table(name))


def analyze(name: str) -> sql.Composed:
    """Statistics for the planner, in the transaction of the load."""
    return sql.SQL("analyze {}").format(table(name))
