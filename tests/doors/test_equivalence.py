"""Equivalence: a profile's SELECT gives what the owner's rows are when the policy is spelled out by another hand."""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from tests.doors.doors import Answer
from tests.doors.worlds import TYPES, Key, Policy, Row, expect, make_filter, make_redaction, make_rows
from tests.integration.api.conftest import Api, api

__all__ = ["api"]

CASES = 2_000 if os.environ.get("LAKEWARD_HYPOTHESIS") == "nightly" else 200
pytestmark = pytest.mark.timeout(1_200)


@pytest.fixture(scope="module")
def rows(api: Api) -> Iterator[list[Row]]:
    """200 people in a dataset, a view of them that each case changes, and its reader."""
    made = make_rows(random.Random("equivalence"), 200)
    columns = [{"name": column, "type": kind} for column, kind in TYPES.items()]
    document = {"name": "people", "row_key": "id", "columns": columns}
    assert api.admin.post("/catalog/datasets", json=document).status_code == 201
    with api.deployed.connect("owner") as owner:
        values = sql.SQL(", ").join(sql.Placeholder() * len(TYPES))
        insert = sql.SQL("insert into lake.people values ({})").format(values)
        owner.cursor().executemany(insert, [list(row.values()) for row in made])
    view = {"name": "shown", "base_dataset": "people", "columns": ["id"]}
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    api.profile("reader", "shown")
    yield made


def differing(api: Api, rows: list[Row], seeds: range) -> list[int]:
    """The cases in which the reader's answer is not the policy's."""
    role = api.admin.get("/catalog/profiles/reader").json()["role_name"]
    found = []
    with api.deployed.connect("owner") as owner, api.deployed.connect("service") as reader:
        secret: Any = owner.execute("select hmac_inner, hmac_outer from lakeward.secret").fetchone()
        key = Key(bytes(secret[0]), bytes(secret[1]))
        reader.execute("select set_config('role', %s, false)", [role])
        for seed in seeds:
            policy, request = make_case(seed)
            changed = api.admin.post("/catalog/views", json=request)
            assert changed.status_code == 200, (seed, changed.text)
            # not prepared: the view has other columns each time
            cursor = reader.execute("select * from p_reader.shown", prepare=False)
            answer = Answer.of([column.name for column in cursor.description or ()], cursor.fetchall())
            wanted = Answer.of(policy.columns, [row.values() for row in expect(policy, rows, key)])
            if answer != wanted:
                found.append(seed)
    return found


def make_case(seed: int) -> tuple[Policy, dict[str, Any]]:
    """A random policy, and the view that shall be it."""
    source = random.Random(seed)
    listed = source.sample(list(TYPES), source.randrange(1, len(TYPES) + 1))
    redactions = {column: make_redaction(source, column) for column in listed}
    text, keeps = make_filter(source, 3)
    request = {
        "name": "shown",
        "base_dataset": "people",
        "columns": listed,
        "row_filter": text,
        "redactions": {column: r.request() for column, r in redactions.items() if r.action},
    }
    return Policy("shown", redactions, keeps), request


def test_a_readers_select_is_the_owners_with_the_policy_spelled_out(api: Api, rows: list[Row]) -> None:
    assert differing(api, rows, range(CASES)) == []


def test_a_planted_bug_is_found(api: Api, rows: list[Row]) -> None:
    """OR taken for AND in the compiler of row filters."""
    signature = "lakeward.filter_sql(jsonb)"
    with api.deployed.connect("owner") as owner:
        before: Any = owner.execute(f"select pg_get_functiondef('{signature}'::regprocedure)").fetchone()
        bug = before[0].replace("array_to_string(args, ' or ')", "array_to_string(args, ' and ')")
        try:
            owner.execute(bug.replace("$function$", "$planted$").encode())
            assert bug != before[0] and differing(api, rows, range(40)) != []
        finally:
            owner.execute(before[0].encode())
