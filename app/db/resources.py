"""Where the SQL files, the rules' pages and the migrations are: beside app/ in a checkout, inside it in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_WHEEL = _PACKAGE / "_resources"
ROOT = _WHEEL if _WHEEL.is_dir() else _PACKAGE.parent

SQL = ROOT / "sql"
LINT = SQL / "lint"
LINT_PAGES = ROOT / "docs" / "lint"
ALEMBIC_INI = ROOT / "alembic.ini"
