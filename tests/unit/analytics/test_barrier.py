"""A barrier where something could fail on a hidden row, and none where nothing can: there it would only cost."""

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from datafusion import SessionContext
from datafusion.catalog import Table

from app.analytics.barrier import can_fail, find_exposed, put_barrier

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("grp", pa.string()),
        ("note", pa.string()),
        ("price", pa.decimal128(12, 2)),
        ("day", pa.date32()),
        ('odd"name', pa.int64()),
    ]
)


def exposed(sql: str, columns: set[str] | None = None) -> set[str]:
    context = SessionContext()
    for name in ("v", "w"):
        context.register_table(name, Table(ds.dataset(SCHEMA.empty_table())))
    plan = context.sql(sql).optimized_logical_plan()
    return find_exposed(plan, {"v": frozenset(columns if columns is not None else {"grp"})})


@pytest.mark.parametrize(
    "sql",
    [
        "select * from v where id = 3 and grp <> 'a' and note like '%x%' or day is null",
        "select * from v where price between 1.5 and 24 and not (day >= date '2020-01-01' - interval '3' day)",
        "select * from v where id in (1, 2, 3, 4, 5, 6) and lower(note) = 'x' and id is distinct from 3",
        "select day, sum(price * (1 - price)), avg(price / 3) from v where id > 3 group by day",
        "select id, price * (1 - price) as n, cast(note as bigint) from v where id > 3 order by id",
        "select v.grp, cast(w.note as bigint) from v join w on v.id = w.id where w.price / 3 > 1",
        "select v.grp, cast(v.note as bigint) from v join w on v.id = w.id",
        "select grp from v group by grp having sum(price * 2) > 10 and count(*) / 2 > 1",
        "select w.id from w where cast(note as bigint) = 1",
    ],
)
def test_nothing_can_fail(sql: str) -> None:
    assert exposed(sql) == set()


@pytest.mark.parametrize(
    "sql",
    [
        "select * from v where cast(note as bigint) = 1",
        "select * from v where note > 1",
        "select * from v where id / 2 = 1",
        "select * from v where id % 2 = 1",
        "select * from v where -id = 1",
        "select * from v where price * price > 1",
        "select * from v where note ~ grp",
        "select * from v where note like grp",
        "select * from v where to_timestamp(note) > now()",
        "select * from v where note = 'a\"' and cast(note as bigint) = 1 and grp = '\"b'",
        "select * from v where note <> '\n  Aggregate: x' and cast(note as bigint) = 1",
        'select * from v where "odd""name" / 2 > 1',
        "select * from v x where exists (select 1 from v y where y.id = x.id and cast(y.note as bigint) = 1)",
        "select * from w where id > (select min(id) from v where cast(note as bigint) = 1)",
        "select v.id from v join w on cast(v.note as bigint) = w.id",
        "select v.id from w left join v on v.id = w.id and v.id / 2 = 1",
        "select count(*) from v where coalesce(cast(note as bigint), 1) between 3 and 10",
        "select n from (select id, cast(note as bigint) as n from v) where n > 3",
        "select grp, cast(concat(note, id) as bigint) from v",
        "select g, n / 2 from (select grp as g, id as n from v) as q",
        "select id from v union all select cast(note as bigint) from v where id / 2 = 1",
        "with recursive r as (select id from v where id / 2 = 1 union all select id + 1 from r where id < 9) "
        "select * from r",
    ],
)
def test_something_can(sql: str) -> None:
    assert exposed(sql) == {"v"}


def test_what_is_selected_needs_the_columns_of_the_filter_to_get_below_it() -> None:
    sql = "select grp, cast(concat(note, id) as bigint) from v"
    assert exposed(sql, {"grp", "note"}) == {"v"}
    assert exposed(sql, {"grp", "day"}) == set()
    assert exposed(sql, {'odd"name'}) == {"v"}
    assert exposed(sql, set()) == set()


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ('Filter: v.a = Utf8("x") AND v.b IS NOT NULL', False),
        ("TableScan: v projection=[a], full_filters=[v.b <= Int64(-5), v.c IN ([Int64(1)])]", False),
        ("Filter: v.d < Decimal128(Some(500),12,2) OR NOT v.e", False),
        ("Filter: new_function(v.a)", True),
        ("Filter: v.a ?? v.b", True),
        ("Filter: v.a DIV v.b = Int64(1)", True),
        ("Filter: TRY_CAST(v.a AS Int64) = Int64(1)", True),
    ],
)
def test_what_is_not_known_can_fail(text: str, can: bool) -> None:
    assert can_fail(text) is can


def test_a_barrier_changes_no_rows_and_holds_the_optimizer_back() -> None:
    context = SessionContext()
    frame = context.from_pydict({"a": [1, 2, 3], "b": ["1", "2", "x"]})
    hidden = frame.filter(frame.parse_sql_expr("a < 3"))
    context.register_table("v", put_barrier(hidden).into_view())
    context.register_table("without", hidden.into_view())
    assert context.sql("select count(*) as n from v where cast(b as bigint) > 0").to_pylist() == [{"n": 2}]
    with pytest.raises(Exception, match="Cannot cast string 'x'"):
        context.sql("select count(*) as n from without where cast(b as bigint) > 0").collect()
