"""Installs sql/: replaceable objects, one per file, in the order of their two-digit prefix, after every upgrade."""

from pathlib import Path

import psycopg

from app.db.resources import SQL


def list_sql_files(folder: Path = SQL) -> list[Path]:
    """The files that are installed, in order; sql/lint/ is not among them."""
    return sorted(folder.glob("[0-9][0-9]_*.sql"))


def install(connection: psycopg.Connection[tuple[object, ...]], folder: Path = SQL) -> None:
    """Run every file in the connection's transaction, verbatim; a failure names its file."""
    for path in list_sql_files(folder):
        try:
            connection.execute(path.read_bytes())
        except psycopg.Error as exc:
            exc.add_note(f"in {path.name}")
            raise
