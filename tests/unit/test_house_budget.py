"""The house budget of the code map: sizes, docstrings, imports, SQL, and a test for each module."""

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"
MODULES = sorted(APP.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(), str(path)) for path in MODULES}

MAX_MODULE_LINES = 300
P90_FUNCTION_LINES = 30
LONG_FUNCTION_LINES = 50
MAX_LONG_SHARE = 0.02
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "core", "base"}

#: Modules whose test does not carry their name, by pattern, with the reason.
NO_TEST_OF_THEIR_OWN = {
    r"(.*/)?__init__\.py": "holds a docstring",
    r".*/tables\.py": "test_migrations holds them all to the migrated database",
    r".*/(\w+_)?models\.py": "types without behaviour; the contract tests convert them",
    r"db/(metadata|resources|deployment)\.py": "names; every test that has a database uses them",
    r".*/protocol\.py": "a type without behaviour",
}
#: Modules whose test has another name.
TESTED_AS = {
    "access/roles_routes.py": "integration/access/test_roles.py",
    "profiles/explain_routes.py": "integration/profiles/test_explain.py",
    "profiles/diff_plan.py": "integration/profiles/test_diff.py",
    "profiles/explain_plan.py": "integration/profiles/test_explain.py",
    "tombstones/erasure_collect.py": "integration/tombstones/test_erasure_steps.py",
    "tombstones/erasure_doors.py": "integration/tombstones/test_erasure_steps.py",
    "tombstones/erasure_places.py": "integration/tombstones/test_erasure_steps.py",
    "tombstones/erasure_held.py": "integration/tombstones/test_erasure_steps.py",
    "tombstones/erasure_purge.py": "integration/tombstones/test_erasure_steps.py",
    "tombstones/erasure_service.py": "integration/tombstones/test_erasure_routes.py",
    "tombstones/erasure_tasks.py": "faults/test_erasure.py",
    "versions/adapter_routes.py": "integration/versions/test_adapters.py",
    "versions/gate.py": "integration/versions/test_swap.py",
    "versions/pairs.py": "integration/versions/test_adapters.py",
    "versions/routes.py": "integration/versions/test_service.py",
    "versions/shadow.py": "integration/versions/test_swap.py",
    "versions/statements.py": "integration/versions/test_swap.py",
    "versions/tasks.py": "integration/versions/test_swap.py",
    "rag/citations.py": "unit/rag/test_prompt.py",
    "rag/service.py": "integration/rag/test_routes.py",
    "lance/tasks.py": "integration/lance/test_indexes.py",
    "vectors/copies.py": "integration/lance/test_sync.py",
    "vectors/near.py": "integration/vectors/test_filters.py",
    "vectors/attempt.py": "integration/vectors/test_hybrid.py",
    "vectors/estimates.py": "integration/vectors/test_filters.py",
    "analytics/analytics.py": "integration/api/test_cache.py",
    "analytics/cache_plan.py": "integration/api/test_cache.py",
    "analytics/cache_routes.py": "integration/api/test_cache.py",
    "analytics/cache_service.py": "integration/api/test_cache.py",
    "analytics/child.py": "integration/api/test_query_limits.py",
    "analytics/warming.py": "integration/api/test_cache.py",
    "analytics/memory_file.py": "unit/analytics/test_cache.py",
    "analytics/processes.py": "integration/api/test_processes.py",
    "web/streamed.py": "integration/api/test_query_streamed.py",
    "analytics/mount.py": "integration/api/test_cache.py",
    "ingest/admission.py": "integration/tombstones/test_service.py",
    "ingest/leftovers.py": "faults/test_kill.py",
    "delta/folders.py": "integration/moves/test_export.py",
    "moves/materialize.py": "integration/moves/test_export.py",
    "moves/record.py": "integration/moves/test_export.py",
    "moves/routes.py": "integration/moves/test_service.py",
    "moves/tasks.py": "integration/moves/test_service.py",
    "trials/bench.py": "integration/trials/test_trial.py",
    "trials/statements.py": "integration/trials/test_trial.py",
    "trials/tasks.py": "integration/trials/test_trial.py",
    "trials/evals.py": "integration/trials/test_service.py",
    "trials/routes.py": "integration/trials/test_service.py",
    "vectors/refresh_rows.py": "integration/vectors/test_indexing.py",
    "vectors/refresh_statements.py": "integration/vectors/test_indexing.py",
    "vectors/refresh_routes.py": "integration/vectors/test_refresh.py",
    "cli/buckets.py": "integration/storage/test_buckets.py",
    "web/openapi.py": "integration/api/test_openapi.py",
    "db/install.py": "integration/db/test_migrations.py",
    "db/lint.py": "sql/test_lints.py",
    "db/migrate.py": "integration/db/test_migrations.py",
}

#: Modules that still have no test file. This list may only become shorter.
UNTESTED = {
    "access/first_key.py",
    "access/routes.py",
    "access/service.py",
    "analytics/engine.py",
    "analytics/export.py",
    "analytics/plan.py",
    "analytics/routes.py",
    "analytics/service.py",
    "asgi.py",
    "catalog/plan.py",
    "catalog/routes.py",
    "catalog/service.py",
    "cli/server.py",
    "db/adbc.py",
    "db/builder.py",
    "db/target.py",
    "delta/copy.py",
    "delta/find.py",
    "delta/footers.py",
    "delta/places.py",
    "delta/requests.py",
    "delta/routes.py",
    "delta/service.py",
    "delta/sources.py",
    "delta/tasks.py",
    "ingest/bucket_load.py",
    "ingest/load.py",
    "ingest/plan.py",
    "ingest/record.py",
    "ingest/requests.py",
    "ingest/routes.py",
    "ingest/service.py",
    "ingest/statements.py",
    "ingest/table_load.py",
    "ingest/tasks.py",
    "ingest/upload.py",
    "jobs/context.py",
    "profiles/plan.py",
    "profiles/routes.py",
    "profiles/service.py",
    "tombstones/bucket.py",
    "vectors/plan.py",
    "vectors/routes.py",
    "vectors/service.py",
    "vectors/statements.py",
    "vectors/tasks.py",
    "web/health.py",
    "web/identity.py",
    "web/paging.py",
    "web/parameters.py",
    "web/problems.py",
    "web/responses.py",
    "worker.py",
}

QUERY_METHODS = {
    "execute",
    "executemany",
    "fetch",
    "fetch_all",
    "fetch_value",
    "fetch_values",
    "find_one",
    "copy",
}


def name(path: Path) -> str:
    return path.relative_to(APP).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None and first.end_lineno is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_functions_are_short():
    lengths = sorted(
        (length(f), f"{name(path)}:{f.name}") for path, tree in TREES.items() for f in functions(tree)
    )
    p90 = lengths[int(len(lengths) * 0.9)]
    assert p90[0] <= P90_FUNCTION_LINES, p90
    long = [entry for entry in lengths if entry[0] > LONG_FUNCTION_LINES]
    assert len(long) <= MAX_LONG_SHARE * len(lengths), long


def test_modules_are_short():
    lines = {name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > MAX_MODULE_LINES} == {}


def test_every_module_has_a_docstring():
    assert [name(path) for path, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_no_module_has_a_name_that_says_nothing():
    assert [
        name(path) for path in MODULES if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES
    ] == []


def late_imports(tree: ast.AST) -> Iterator[str]:
    for function in functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield "." * node.level + (node.module or "")


def test_the_app_is_imported_at_the_top():
    """Outside the command line, whose --help must not load everything."""
    late = {
        name(path): [m for m in late_imports(tree) if m.startswith((".", "app.")) or m == "app"]
        for path, tree in TREES.items()
        if not name(path).startswith("cli/")
    }
    assert {path: modules for path, modules in late.items() if modules} == {}


def is_duckdb(tree: ast.Module) -> bool:
    """DuckDB parses files in a session of its own, where nothing is to be governed; it has no psycopg.sql."""
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    return "duckdb" in imported and "psycopg" not in imported


def built_sql(tree: ast.AST) -> Iterator[int]:
    """Lines where text put together by Python goes to Postgres as a statement.

    The statement must be a literal, or come from psycopg.sql or a queries.sql; an f-string, `%`, `+` with a variable,
    `.format` of a str or `.join` of a str is none of these. A name is followed within its function.
    """
    for scope in [tree, *functions(tree)]:
        assigned = {
            target.id: node.value
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(scope):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr in QUERY_METHODS:
                for argument in call.args[:2]:
                    value = (
                        assigned.get(argument.id, argument) if isinstance(argument, ast.Name) else argument
                    )
                    if is_built(value):
                        yield call.lineno
            elif is_sql_class(call.func) and any(is_built(argument) for argument in call.args):
                yield call.lineno


def is_sql_class(function: ast.Attribute) -> bool:
    return function.attr == "SQL" and isinstance(function.value, ast.Name) and function.value.id == "sql"


def is_built(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Mod() | ast.Add(), right=right):
            return any(is_built(side) or is_text(side) for side in (left, right))
        case ast.Call(func=ast.Attribute(value=value, attr="format" | "join" | "replace")):
            return is_text(value)
        case _:
            return False


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def test_no_statement_is_put_together_by_python():
    found = {name(path): sorted(set(built_sql(tree))) for path, tree in TREES.items() if not is_duckdb(tree)}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "c.execute(f'select {x}')",
        "c.execute('select %s' % x)",
        "c.execute('select ' + x)",
        "c.execute('select {}'.format(x))",
        "c.execute(', '.join(x))",
        "scope.fetch(Row, f'select {x}')",
        "c.execute(sql.SQL(f'select {x}'))",
        "def f():\n    q = f'select {x}'\n    c.execute(q)",
    ],
)
def test_a_statement_put_together_is_found(source):
    assert list(built_sql(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "c.execute('select %s', [x])",
        "c.execute(QUERIES['q'], {'x': f'{x}'})",
        "c.execute(sql.SQL('select {}').format(sql.Identifier(x)))",
        "c.execute(sql.SQL(', ').join(x))",
    ],
)
def test_a_statement_with_parameters_is_not(source):
    assert not list(built_sql(ast.parse(source)))


def needs_test(path: Path) -> bool:
    return not any(re.fullmatch(pattern, name(path)) for pattern in NO_TEST_OF_THEIR_OWN)


def has_test(path: Path) -> bool:
    """tests/**/<capability>/test_<module>.py, or tests/**/test_<module>.py for one at the top."""
    if name(path) in TESTED_AS:
        return (ROOT / "tests" / TESTED_AS[name(path)]).exists()
    folder = path.relative_to(APP).parent.as_posix()
    tests = (ROOT / "tests").rglob(f"test_{path.stem}.py")
    return any(folder == "." or test.parent.as_posix().endswith(f"/{folder}") for test in tests)


def test_every_module_has_a_test_of_its_name():
    missing = {name(path) for path in MODULES if needs_test(path) and not has_test(path)}
    assert missing - UNTESTED == set(), "modules without a test file of their name"
    for gone in sorted(UNTESTED - missing):
        warnings.warn(f"{gone} has a test now, or is gone: take it off UNTESTED", stacklevel=1)


def sql_files() -> list[Path]:
    return sorted(
        [*(ROOT / "sql").rglob("*.sql"), *(ROOT / "migrations").rglob("*.sql"), *APP.rglob("*.sql")]
    )


def test_every_sql_file_begins_with_a_comment():
    assert [path.name for path in sql_files() if not path.read_text().startswith("-- ")] == []


def test_every_installed_object_has_its_own_file():
    """sql/NN_<object>.sql creates <object> and no other function."""
    for path in (ROOT / "sql").glob("*.sql"):
        created = re.findall(r"create or replace function lakeward\.(\w+)", path.read_text())
        assert created in ([], [path.stem[3:]]), path.name


def test_every_rule_is_one_statement():
    for path in (ROOT / "sql" / "lint").glob("*.sql"):
        code = [line.split("--")[0] for line in path.read_text().splitlines()]
        assert ";" not in "".join(code), path.name
