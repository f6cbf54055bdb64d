"""A random walk: before each change diff is asked, then the change is made, and diff was right about all of it."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.api.conftest import Api, api

__all__ = ["api"]

Row = dict[str, Any]
Document = dict[str, Any]

STAFF: list[Row] = [
    {"id": n, "name": f"Name{n}", "pay": n * 10, "born": f"19{n + 50}-01-02", "city": ["Kiel", "Bern"][n % 2]}
    for n in range(12)
]
NOTES: list[Row] = [{"id": n, "body": f"note {n}", "pay": n} for n in range(5)]
ROWS = {"staff": STAFF, "notes": NOTES}
ROLES = ["agent", "analyst", "recruiter", "admin", "own", "other"]
LEVELS = ["public", "internal", "confidential", "restricted", "unclassified"]
FILTERS: list[tuple[str | None, Callable[[Row], bool]]] = [
    (None, lambda _: True),
    ("pay < 3", lambda r: r["pay"] < 3),
    ("pay >= 2 and id <> 4", lambda r: r["pay"] >= 2 and r["id"] != 4),
    ("id between 3 and 100 or pay = 0", lambda r: r["id"] >= 3 or r["pay"] == 0),
]
PREDICATES = dict(FILTERS)
ACTIONS: list[Document] = [
    {"action": "null"},
    {"action": "hash"},
    {"action": "mask", "keep_prefix": 1},
    {"action": "mask_alphanum"},
]
STATE = ("shown", "type", "action", "keep_prefix", "keep_suffix")


def random_view(rng: random.Random) -> Document:
    base = rng.choice(["staff", "notes"])
    columns = rng.sample(list(ROWS[base][0]), rng.randint(1, len(ROWS[base][0])))
    redacted = [column for column in columns if rng.random() < 0.4]
    return {
        "name": rng.choice(["view_a", "view_b", "indexed"]),
        "base_dataset": base,
        "columns": columns,
        "row_filter": rng.choice(FILTERS)[0],
        "redactions": {column: rng.choice(ACTIONS) for column in redacted},
    }


def random_role(rng: random.Random) -> Document:
    role: Document = {
        "clearance": rng.choice(LEVELS[:4]),
        "default_action": rng.choice(["null", "hash", "mask"]),
    }
    if role["default_action"] == "mask":
        role |= {"keep_prefix": rng.randint(0, 2), "keep_suffix": rng.choice([None, 1])}
    return role | {"can_write": rng.random() < 0.5}


def random_change(rng: random.Random, bound: list[str], known: list[str]) -> Document:
    """One to three kinds of change at once."""
    change: Document = {}
    for kind in rng.sample(["bind", "unbind", "access_role", "columns", "view", "role"], rng.randint(1, 3)):
        if kind == "bind":
            change["bind"] = rng.sample(known, rng.randint(1, 2))
        elif kind == "unbind" and bound:
            change["unbind"] = [rng.choice(bound)]
        elif kind == "access_role":
            change["access_role"] = rng.choice(ROLES[:4])
        elif kind == "columns":
            dataset = rng.choice(["staff", "notes"])
            chosen = rng.sample(list(ROWS[dataset][0]), rng.randint(1, 3))
            levels = rng.choices(LEVELS, [3, 3, 2, 2, 1], k=len(chosen))
            change["columns"] = {dataset: dict(zip(chosen, levels, strict=True))}
        elif kind == "view":
            change["view"] = random_view(rng)
            if rng.random() < 0.5:
                change["bind"] = [change["view"]["name"]]
        elif kind == "role":
            change |= {"role": random_role(rng), "access_role": rng.choice(ROLES[4:])}
    change["unbind"] = [name for name in change.get("unbind", []) if name not in change.get("bind", [])]
    return change


def make(api: Api, change: Document, bound: list[str], access_role: str) -> None:
    """The change, by the endpoints that are there for it."""
    if change.get("view"):
        assert api.admin.post("/catalog/views", json=change["view"]).status_code in (200, 201)
    for dataset, levels in change.get("columns", {}).items():
        columns = {column: {"sensitivity": level} for column, level in levels.items()}
        path = f"/catalog/datasets/by-name/{dataset}/metadata"
        assert api.admin.patch(path, json={"columns": columns}).status_code == 200
    if change.get("role"):
        role = {"name": change["access_role"], **change["role"]}
        assert api.admin.post("/access/roles", json=role).status_code in (200, 201)
    after = [name for name in bound if name not in change["unbind"]]
    after += [name for name in change.get("bind", []) if name not in after]
    api.profile("walker", *after, access_role=change.get("access_role", access_role))


def rows_of(relation: Document | None) -> set[Any]:
    """The keys of the rows that a relation shows, told by its dataset, its filter and whether it shows a column."""
    if relation is None or not any(column["shown"] for column in relation["columns"]):
        return set()
    base = relation["base_dataset"] or relation["name"]
    predicate = PREDICATES[relation["row_filter"]]
    return {(base, row["id"]) for row in ROWS[base] if predicate(row)}


def expect(before: Document, after: Document) -> Document:
    """The diff of two explanations."""
    old, new = ({r["name"]: r for r in document["relations"]} for document in (before, after))
    relations, unchanged = [], []
    for name in sorted({*old, *new}):
        was, becomes = old.get(name), new.get(name)
        left = {c["name"]: c for c in was["columns"]} if was else {}
        right = {c["name"]: c for c in becomes["columns"]} if becomes else {}
        columns = {
            column: (left.get(column), right.get(column))
            for column in {*left, *right}
            if [left.get(column, {}).get(s) for s in STATE] != [right.get(column, {}).get(s) for s in STATE]
        }
        made_of = [(r["base_dataset"], r["row_filter"]) for r in (was, becomes) if r]
        if was and becomes and not columns and made_of[0] == made_of[1]:
            unchanged.append(name)
            continue
        seen = [rows_of(was), rows_of(becomes)]
        assert [len(keys) for keys in seen] == [r["rows"] if r else 0 for r in (was, becomes)]
        rows = {
            "before": len(seen[0]),
            "after": len(seen[1]),
            "newly_seen": len(seen[1] - seen[0]),
            "no_longer_seen": len(seen[0] - seen[1]),
        }
        change = "changed" if was and becomes else "added" if becomes else "removed"
        relations.append({"name": name, "change": change, "rows": rows, "columns": columns})
    may = [{i["name"] for i in document["indexes"] if i["searchable"]} for document in (before, after)]
    return {
        "relations": relations,
        "unchanged": unchanged,
        "indexes_gained": sorted(may[1] - may[0]),
        "indexes_lost": sorted(may[0] - may[1]),
        "access": {"before": before["access"], "after": after["access"]},
    }


def simplify(diff: Document) -> Document:
    """A diff in the form of `expect`."""
    relations = [
        {
            "name": r["name"],
            "change": r["change"],
            "rows": r["rows"],
            "columns": {c["name"]: (c["before"], c["after"]) for c in r["columns"]},
        }
        for r in diff["relations"]
    ]
    return {
        "relations": relations,
        "unchanged": diff["unchanged"],
        "indexes_gained": [index["name"] for index in diff["indexes_gained"]],
        "indexes_lost": [index["name"] for index in diff["indexes_lost"]],
        "access": diff["access"],
    }


def to_csv(rows: list[Row]) -> str:
    return "\n".join(",".join(map(str, row)) for row in [list(rows[0]), *(r.values() for r in rows)]) + "\n"


@pytest.fixture(scope="module")
def walk(api: Api) -> Iterator[Api]:
    """Two datasets with three indexes, a view with one."""
    for dataset, rows in ROWS.items():
        assert api.ingest(dataset, to_csv(rows), row_key="id").status_code == 201
    indexed = {
        "name": "indexed",
        "base_dataset": "staff",
        "columns": ["id", "name", "city"],
        "redactions": {"name": {"action": "hash"}},
    }
    assert api.admin.post("/catalog/views", json=indexed).status_code == 201
    api.index("staff", "name", name="staff_name")
    api.index("staff", "name", "city", name="staff_both")
    api.index("notes", "body", name="notes_body")
    api.index("indexed", "name", "city", name="indexed_both")
    api.profile("walker", "staff")
    yield api


def state(api: Api) -> Document:
    """What the catalog says: nothing of it may be other after a diff."""
    paths = ("catalog/profiles", "catalog/datasets", "catalog/views", "access/roles", "vectors/indexes")
    return {path: api.admin.get(f"/{path}").json() for path in paths}


@pytest.mark.parametrize(
    ("seed", "steps"),
    [(1, 40), *(pytest.param(seed, 100, marks=pytest.mark.slow) for seed in range(2, 10))],
)
def test_making_the_change_gives_what_diff_said(walk: Api, seed: int, steps: int) -> None:
    rng = random.Random(seed)
    seen: set[str] = set()
    for step in range(steps):
        before = walk.admin.get("/catalog/profiles/walker/explain").json()
        bound = [relation["name"] for relation in before["relations"]]
        views = [view["name"] for view in walk.admin.get("/catalog/views").json()["items"]]
        change = random_change(rng, bound, ["staff", "notes", *views])
        catalog = state(walk)
        answer = walk.admin.post("/catalog/profiles/walker/diff", json=change)
        assert state(walk) == catalog, (seed, step, change)
        if answer.status_code == 409:
            # the view that an index embeds
            made = walk.admin.post("/catalog/views", json=change["view"])
            assert (made.status_code, made.json()["detail"]) == (409, answer.json()["detail"])
            continue
        assert answer.status_code == 200, (change, answer.text)
        make(walk, change, bound, before["access"]["access_role"])
        after = walk.admin.get("/catalog/profiles/walker/explain").json()
        assert simplify(answer.json()) == expect(before, after), (seed, step, change)
        seen |= {relation["change"] for relation in answer.json()["relations"]}
        seen |= {side for side in ("indexes_gained", "indexes_lost") if answer.json()[side]}
    assert seen == {"added", "removed", "changed", "indexes_gained", "indexes_lost"}, (
        "the walk met too little"
    )
    assert walk.admin.get("/ready").status_code == 200
