"""What fails on rows that a reader may not see must not fail: neither its message nor that it fails is for the reader.

The same rows in Postgres, whose views are security barriers, are the judge.
"""

from typing import Any

import pytest

from tests.integration.api.conftest import Api, api

__all__ = ["api"]

SECRET = "SECRET"
#: Rows of group b are hidden by the view, those from 200 to 219 have tombstones. Only what is hidden fails.
ROWS = (
    "id,grp,note,div\n"
    + "".join(f"{n},{'ab'[n % 2]},{f'{SECRET}{n}' if n % 2 else n},{1 - n % 2}\n" for n in range(200))
    + "".join(f"{n},a,{SECRET}{n},0\n" for n in range(200, 220))
    + "".join(f"{n},a,{n},1\n" for n in range(220, 400))
)
QUESTIONS = [
    "select count(*) from {} where cast(note as bigint) = 1",
    "select count(*) from {} where note > 0",
    "select count(*) from {} where 10 / div > 0",
    "select count(*) from {} where 10 / (case when note = 'SECRET1' then 0 else 1 end) > 0",
    "select count(*) from {} where note <> '1' and id > 3 and cast(note as bigint) > 0",
    "select count(*) from {} where case when cast(note as bigint) > 3 then true else false end",
    "select count(*) from {} where coalesce(cast(note as bigint), 1) between 3 and 10",
    "select count(*) from {} where not (cast(note as bigint) in (1, 2))",
    "select count(*) from {0} a join {0} b on cast(a.note as bigint) = b.id",
    "select count(*) from {0} a join {0} b on a.id = b.id and cast(a.note as bigint) > b.div",
    "select count(*) from {0} a left join {0} b on a.id = b.id and cast(b.note as bigint) > 3",
    "select count(*) from {0} a where exists (select 1 from {0} b where a.id = b.id and cast(b.note as bigint) > 1)",
    "select count(*) from {0} where id > (select min(cast(note as bigint)) from {0} where 10 / div > 1)",
    "select count(*) from (select id, cast(note as bigint) as n from {}) where n > 7",
    "select count(*) from (select * from {0} union all select * from {0}) where cast(note as bigint) > 7",
    "select sum(10 / div) from {}",
    "select sum(x) from (select grp, cast(concat(note, div) as bigint) as x from {})",
    "select grp, cast(concat(note, div) as bigint) as x from {} order by x limit 3",
    "select grp, 100 / (div * character_length(note)) as x from {} order by x, grp limit 3",
    "select g, cast(concat(n, d) as bigint) x from (select grp as g, note as n, div as d from {}) q order by x limit 3",
    "select grp, cast(note as bigint) as n, count(*) from {} group by 1, 2 having cast(note as bigint) < 9 order by 2",
    "select grp, row_number() over (order by cast(note as bigint)) as r from {} order by r limit 3",
    "with w as (select * from {} where 10 / div > 1) select count(*) from w where cast(note as bigint) > 5",
]


@pytest.fixture(scope="module")
def world(api: Api) -> Api:
    """The rows twice, in Postgres and in a bucket; for each a reader of a view, and one of a view with all columns."""
    for name, home in (("t", "table"), ("b", "bucket")):
        assert api.ingest(name, ROWS, row_key="id", home=home).status_code == 201
        for view, columns in (
            (f"{name}_few", ["id", "note", "div"]),
            (f"{name}_all", ["id", "grp", "note", "div"]),
        ):
            body = {"name": view, "base_dataset": name, "columns": columns, "row_filter": "grp = 'a'"}
            assert api.admin.post("/catalog/views", json=body).status_code == 201
        gone = {"row_key_column": "id", "row_key_values": list(range(200, 220))}
        done = api.admin.post(f"/catalog/datasets/by-name/{name}/tombstone", json=gone)
        assert done.json()["tombstoned"] == 20
    api.profile("reader", "t_few", "t_all", "b_few", "b_all")
    return api


def ask(client: Any, statement: str) -> tuple[int, Any]:
    answer = client.post("/query/sql", json={"sql": statement})
    assert SECRET not in answer.text, answer.text
    return answer.status_code, answer.json().get("rows")


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("view", ["all", "few"])
def test_hidden_rows_do_not_fail(world: Api, view: str, question: str) -> None:
    if view == "few" and "grp" in question:
        question = (
            question.replace("grp, ", "'a' as grp, ").replace("grp as g", "'a' as g").replace(", grp", "")
        )
    with world.reader("reader") as reader:
        in_table = ask(reader, question.format(f"t_{view}"))
        assert in_table[0] == 200, in_table
        assert ask(reader, question.format(f"b_{view}")) == in_table


def test_tombstoned_rows_do_not_fail(world: Api) -> None:
    """Without a view: the admin reads the dataset, less what has a tombstone."""
    for condition in ("cast(note as bigint) >= 0", "10 / div > 1"):
        statement = f"select count(*) from {{}} where grp = 'a' and {condition} and id >= 200"
        for name in ("t", "b"):
            # which of two conditions comes first is nobody's promise, so those of group b are left out before
            inner = f"(select * from {name} where grp = 'a' order by id limit 1000)"
            assert ask(world.admin, statement.format(inner)) == (200, [[180]]), name
    narrow = "select id, cast(concat(note, div) as bigint) as x from {} where id >= 200 order by x limit 1"
    assert (
        ask(world.admin, narrow.format("b")) == ask(world.admin, narrow.format("t")) == (200, [[220, 2201]])
    )


@pytest.mark.parametrize("function", ["input_file_name()", "file_row_index()"])
def test_no_file_is_named_and_no_place_in_it(world: Api, function: str) -> None:
    for client in (world.admin, world.reader("reader")):
        answer = client.post("/query/sql", json={"sql": f"select {function} from b_all"})
        assert answer.status_code == 400 and "Invalid function" in answer.json()["detail"]
