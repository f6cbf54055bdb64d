import hashlib

import pytest

from app.cli.demo import KEV

FOREIGN = {"name": "candidates", "lineage": [{"content_sha256": "another"}]}


@pytest.fixture
def healthy(fake):
    fake.answer("GET", "/health", {"status": "ok"})
    return fake


def test_a_dataset_that_is_not_the_demos_is_left_alone(healthy, run):
    healthy.answer("GET", "/catalog/datasets/by-name/candidates", FOREIGN)
    outcome = run("demo")
    assert outcome.code == 1
    assert "there is a dataset 'candidates' here that is not the demo's; use another --home" in outcome.err
    assert {request.method for request in healthy.requests} == {"GET"}


def test_a_profile_that_is_not_the_demos_is_left_alone(healthy, run):
    healthy.answer("GET", "/catalog/profiles/security-analyst", {"description": "ours"})
    outcome = run("demo")
    assert outcome.code == 1
    assert "there is a profile 'security-analyst' here" in outcome.err
    assert {request.method for request in healthy.requests} == {"GET"}


def test_a_step_that_fails_is_a_failure(healthy, run):
    healthy.problem("POST", "/ingest/file", 507, "disk_full", "the disk is full")
    outcome = run("demo")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "lakeward: the disk is full"


def test_the_data_is_in_the_package_with_its_licence():
    assert hashlib.sha256(KEV.read_bytes()).hexdigest().startswith("901b1f227941a387")
    assert "Creative Commons" in (KEV.parent / "LICENSE").read_text()
