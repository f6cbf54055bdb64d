import csv
import hashlib
import io

from app.cli.demo_people import COLUMNS, build_candidates


def read(count):
    return list(csv.DictReader(io.StringIO(build_candidates(count).decode())))


def test_the_same_people_every_time_and_everywhere():
    content = build_candidates(500)
    assert content == build_candidates(500)
    # a change here makes a demo that ran before load its table a second time
    assert hashlib.sha256(content).hexdigest().startswith("a5b157843c601880")


def test_people_are_whole_and_nobodys():
    people = read(300)
    assert len({person["candidate_id"] for person in people}) == 300
    assert len({person["email"] for person in people}) == 300
    for person in people:
        assert tuple(person) == COLUMNS
        assert all(person.values())
        assert person["email"].endswith("@example.com")
        assert person["summary"].count(". ") == 1
        assert person["summary"].endswith(".")
        assert all(skill in person["skills"] for skill in person["skills"].split(", ")[:2])
        assert float(person["hourly_rate"]) > 0
