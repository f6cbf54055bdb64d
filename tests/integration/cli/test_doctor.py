import json
from pathlib import Path

import msgspec
import pytest
from psycopg import sql

from app.cli.doctor import Check, Report, _check_pages, check, render
from app.settings import ModelSettings, ModelsSettings, Settings

FAKE = ModelsSettings(embed=ModelSettings(provider="fake"))


@pytest.fixture
def checked(settings):
    """The test's database, with a model that needs no loading."""
    return msgspec.structs.replace(settings, models=FAKE)


def by_name(report):
    return {each.name: each for each in report.checks}


async def test_a_database_that_is_as_it_must_be(checked):
    report = await check(checked)
    assert report.ok, render(report, as_json=True)
    found = by_name(report)
    assert {"postgres", "pgvector", "service login", "migrations", "governance", "model fake"} <= set(found)
    assert found["governance"].found.endswith("rules hold")


async def test_a_rule_that_is_broken_is_named_with_what_it_could_do(checked, world, admin):
    admin.execute(sql.SQL("grant select on lake.orders to {}").format(sql.Identifier(world.alpha)))
    admin.execute("alter table lake.people disable row level security")
    report = await check(checked)
    assert not report.ok
    broken = [each for each in report.checks if each.name.startswith("rule ")]
    assert any("people" in each.found for each in broken)
    assert all(each.status == "fail" and each.remedy for each in broken)
    assert all(Path(each.page).stem == each.name.removeprefix("rule ") for each in broken)
    assert all(Path(each.page).read_text().startswith("# 00") for each in broken)


async def test_a_database_that_is_behind(checked, admin):
    admin.execute("update lakeward.schema_version set version_num = '0000'")
    report = await check(checked)
    assert not report.ok
    assert "lakeward migrate" in by_name(report)["database"].remedy


async def test_a_server_that_is_away_is_one_of_the_findings(tmp_path):
    settings = Settings(home=tmp_path, database_url="postgresql://127.0.0.1:9/none", models=FAKE)
    report = await check(settings)
    assert not report.ok
    assert by_name(report)["postgres"].status == "fail"
    assert by_name(report)["model fake"].status == "ok"


async def test_a_home_with_nothing_in_it_stays_so(tmp_path):
    report = await check(Settings(home=tmp_path, models=FAKE))
    assert by_name(report)["postgres"].remedy == "start it with: lakeward up"
    assert list(tmp_path.iterdir()) == []


async def test_a_model_that_is_away_is_a_failure(checked):
    away = ModelSettings(provider="ollama", url="http://127.0.0.1:9", retries=0, timeout_s=1)
    report = await check(msgspec.structs.replace(checked, models=ModelsSettings(embed=away)))
    assert by_name(report)["model ollama"].status == "fail"


def test_huge_pages_are_a_hint():
    [hint] = _check_pages("off", "2071")
    assert hint.status == "warn" and "vm.nr_hugepages=2121" in hint.remedy
    assert [each.status for each in _check_pages("on", "2071")] == ["ok"]
    # before 17, or a system that has none
    assert _check_pages(None, "2071") == _check_pages("off", "-1") == _check_pages("unknown", None) == []


def test_both_ways_to_read_it():
    report = Report([Check("a", "ok", "fine"), Check("b", "fail", "bad\x1b", "do this", "a/page.md")])
    assert json.loads(render(report, as_json=True)) == {
        "ok": False,
        "checks": [
            {"name": "a", "status": "ok", "found": "fine"},
            {"name": "b", "status": "fail", "found": "bad\x1b", "remedy": "do this", "page": "a/page.md"},
        ],
    }
    text = render(report, as_json=False)
    assert "do this" in text
    assert "what to do: a/page.md" in text
    assert "\x1b" not in text
    assert Report([Check("a", "warn", "x")]).ok
