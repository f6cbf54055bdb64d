"""POST /catalog/migrate-buckets and its job."""

from tests.integration.api.conftest import problem


def migrate(world, **body):
    answer = world.admin.post("/catalog/migrate-buckets", json=body)
    assert answer.status_code == 202, answer.text
    return world.api.wait(answer.json()["job_id"])


def test_a_bucket_is_copied_by_a_job(world):
    for number in range(7):
        world.admin.put(world.path("folder", f"m/{number}"), content=b"x" * number)
    job = migrate(world, source="folder", target="primary", prefix="m/")
    assert job["state"] == "succeeded", job
    assert job["result"] == {"copied": 7, "skipped": 0, "deleted": 0, "bytes": 21}
    assert job["progress"]["done"] == job["progress"]["total"] == 21
    assert world.admin.get(world.path("primary", "m/6")).content == b"x" * 6
    again = migrate(world, source="folder", target="primary", prefix="m/", delete=True)
    assert again["result"]["skipped"] == 7 and again["result"]["deleted"] == 7
    problem(world.admin.get(world.path("folder", "m/6")), 404, "not_found")
    kinds = [item["kind"] for item in world.admin.get("/journal/recent").json()["items"]]
    assert "migrate_buckets" in kinds


def test_what_cannot_be_copied_is_refused_at_once(world):
    url = "/catalog/migrate-buckets"
    problem(world.admin.post(url, json={"source": "nope", "target": "folder"}), 404, "not_found")
    problem(world.admin.post(url, json={"source": "folder", "target": "nope"}), 404, "not_found")
    problem(world.admin.post(url, json={"source": "folder", "target": "folder"}), 400, "invalid_input")
    body = {"source": "folder", "target": "primary", "prefix": "../x"}
    problem(world.admin.post(url, json=body), 400, "invalid_input")
    problem(world.admin.post(url, json={**body, "prefixes": ""}), 400, "invalid_input")
    world.api.profile("mover")
    with world.api.reader("mover") as reader:
        problem(reader.post(url, json={"source": "folder", "target": "primary"}), 403, "forbidden")


def test_datasets_do_not_lose_their_files(world):
    with world.api.deployed.connect("steward") as connection, connection.transaction():
        (relation,) = connection.execute(
            "insert into lakeward.relation (name, kind) values ('held', 'dataset') returning id"
        ).fetchone()
        connection.execute(
            "insert into lakeward.dataset (id, name, home, row_key) values (%s, 'held', 'bucket', 'id')",
            [relation],
        )
        connection.execute(
            "insert into lakeward.bucket_dataset (dataset_id, bucket, location, format)"
            " values (%s, 'folder', 'datasets/held', 'delta')",
            [relation],
        )
    url = "/catalog/migrate-buckets"
    for prefix in ("", "datasets/", "datasets/held/_delta_log/"):
        body = {"source": "folder", "target": "primary", "prefix": prefix, "delete": True}
        assert "held" in problem(world.admin.post(url, json=body), 409, "in_use")["detail"]
    assert migrate(world, source="folder", target="primary", prefix="datasets/he", delete=False)
    job = migrate(world, source="folder", target="primary", prefix="datasets/other", delete=True)
    assert job["state"] == "succeeded"


def test_a_bucket_that_is_away_fails_the_job_with_its_reason(world):
    world.admin.put(world.path("folder", "f/1"), content=b"x")
    answer = world.admin.post(
        "/catalog/migrate-buckets", json={"source": "folder", "target": "denied", "prefix": "f/"}
    )
    job = world.api.wait(answer.json()["job_id"], timeout_s=60)
    assert job["state"] == "failed" and "env:LW_TEST_UNSET" in job["error"]["message"], job
    errors = world.admin.get("/storage/errors", params={"bucket": "denied"}).json()["items"]
    assert errors[0]["operation"] == "migrate"
