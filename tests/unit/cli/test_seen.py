import json

import pytest

from app.cli.seen import paint

ACCESS = {
    "access_role": "analyst",
    "clearance": "internal",
    "default_action": "hash",
    "keep_prefix": None,
    "keep_suffix": None,
    "can_write": False,
}


def column(name, action=None, *, shown=True, prefix=None, suffix=None, reason="because"):
    return {
        "name": name,
        "shown": shown,
        "type": "text" if shown else None,
        "action": action,
        "keep_prefix": prefix,
        "keep_suffix": suffix,
        "reason": reason,
        "base_type": "text",
        "sensitivity": "internal",
    }


EXPLANATION = {
    "profile": "p",
    "description": "",
    "access": ACCESS,
    "hnsw_config": {"m": 16, "ef_construction": 80, "ef_search": 30},
    "keys": 2,
    "relations": [
        {
            "name": "safe",
            "kind": "view",
            "rows": 1234,
            "base_dataset": "people",
            "row_filter": "city = 'Bern\x1b'",
            "columns": [column("id", "mask", prefix=2), column("city"), column("pay", shown=False)],
        }
    ],
    "indexes": [
        {
            "name": "raw_v1",
            "source": "people",
            "text_columns": ["note"],
            "searchable": False,
            "reason": "above",
        }
    ],
}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "not there"),
        (column("a", shown=False), "not there"),
        (column("a"), "as it is"),
        (column("a", "null"), "empty (null)"),
        (column("a", "hash"), "hash 3f9a…"),
        (column("a", "mask"), "masked ****"),
        (column("a", "mask", prefix=1), "masked a****"),
        (column("a", "mask", prefix=2, suffix=3), "masked ab****xyz"),
        (column("a", "mask", suffix=9), "masked ****…(9)xyz"),
        (column("a", "mask_alphanum"), "masked **-**"),
        (column("a", "truncate_to_year"), "year only"),
        (column("a", "truncate_to_month"), "month only"),
    ],
)
def test_each_redaction_has_a_word_of_its_own(found, said):
    assert paint(found).plain == said


def test_explain_is_a_table_without_colour_when_there_is_no_terminal(fake, run):
    fake.answer("GET", "/catalog/profiles/p/explain", EXPLANATION)
    outcome = run("profile", "explain", "p")
    assert outcome.code == 0, outcome.err
    assert "\x1b" not in outcome.out
    assert "analyst: columns up to internal as they are, what is above: hash" in outcome.out
    assert "safe: view of people, 1,234 rows, those where city = 'Bern\\x1b'" in outcome.out
    lines = {line.split()[0]: line for line in outcome.out.splitlines() if line.strip()}
    assert "masked ab****" in lines["id"] and "because" in lines["id"]
    assert "as it is" in lines["city"] and "not there" in lines["pay"]
    assert "no" in lines["raw_v1"].split()
    assert run("profile", "explain", "p", "--json").document == EXPLANATION


def test_a_profile_that_sees_nothing_says_so(fake, run):
    empty = {**EXPLANATION, "relations": [], "indexes": [], "keys": None}
    fake.answer("GET", "/catalog/profiles/p/explain", empty)
    assert "it sees nothing" in run("profile", "explain", "p").out


def relation(change, **fields):
    return {
        "name": f"is_{change}",
        "kind": "dataset",
        "change": change,
        "row_filter_before": None,
        "row_filter_after": None,
        "rows": {"before": 5, "after": 6, "newly_seen": 3, "no_longer_seen": 2},
        "columns": [],
        **fields,
    }


DIFF = {
    "profile": "p",
    "access": {"before": ACCESS, "after": {**ACCESS, "clearance": "public", "can_write": True}},
    "relations": [
        relation("added", columns=[{"name": "a", "before": None, "after": column("a", "null")}]),
        relation("removed", columns=[{"name": "b", "before": column("b"), "after": None}]),
        relation(
            "changed",
            row_filter_after="x > 1",
            columns=[{"name": "c", "before": column("c"), "after": column("c", "hash", reason="why not")}],
        ),
    ],
    "unchanged": ["quiet"],
    "indexes_gained": [{"name": "g_v1", "source": "g", "reason": "shown"}],
    "indexes_lost": [{"name": "l_v1", "source": "l", "reason": "hidden"}],
}


def test_diff_says_what_comes_what_goes_and_what_changes(fake, run):
    fake.answer("POST", "/catalog/profiles/p/diff", DIFF)
    outcome = run("profile", "diff", "p", "--bind", "is_added")
    assert outcome.code == 0, outcome.err
    assert fake.last.document == {"bind": ["is_added"]}
    for line in (
        "+ is_added (dataset) added: 6 rows",
        "- is_removed (dataset) removed: 5 rows would be gone",
        "~ is_changed (dataset) changed: 5 rows → 6 rows, 3 newly seen, 2 no longer",
        "  rows: all → x > 1",
        "+ it could search g_v1 of g: shown",
        "- it could no longer search l_v1 of l: hidden",
        "the same as now: quiet",
        "it could write",
        "nothing was changed",
    ):
        assert line in outcome.out.splitlines()
    changed = next(line for line in outcome.out.splitlines() if "why not" in line)
    assert changed.split() == ["c", "as", "it", "is", "hash", "3f9a…", "why", "not"]
    assert run("profile", "diff", "p", "--json").document == DIFF


def test_a_change_is_sent_as_it_was_said(fake, run, tmp_path):
    same = {**DIFF, "relations": [], "indexes_gained": [], "indexes_lost": []}
    fake.answer("POST", "/catalog/profiles/p/diff", same)
    view = tmp_path / "view.json"
    view.write_text(json.dumps({"name": "v"}))
    outcome = run(
        *("profile", "diff", "p", "--unbind", "x", "--role", "agent", "--clearance", "public"),
        *("--default-action", "hash", "--classify", "d.a.b=c=internal", "--classify", "d.e=public"),
        *("--view", str(view)),
    )
    assert outcome.code == 0, outcome.err
    assert fake.last.document == {
        "unbind": ["x"],
        "access_role": "agent",
        "role": {"clearance": "public", "default_action": "hash"},
        "columns": {"d": {"a.b=c": "internal", "e": "public"}},
        "view": {"name": "v"},
    }
    assert "p would see the same as now" in outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--classify", "d=public"],
        ["--classify", "d.a"],
        ["--classify", ".a=public"],
        ["--default-action", "hash"],
        ["--view", "nothing.json"],
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(fake, run, arguments):
    assert run("profile", "diff", "p", *arguments).code == 2
    assert fake.requests == []


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_view_that_is_no_json_object_is_a_usage_error(fake, run, tmp_path, content):
    view = tmp_path / "view.json"
    view.write_text(content)
    assert run("profile", "diff", "p", "--view", str(view)).code == 2
    assert fake.requests == []
