"""POST /profile/{id}/activate and /deactivate."""

from tests.integration.api.conftest import problem


def test_a_profiles_own_bucket_is_mounted_used_and_unmounted(world):
    world.api.profile("own")
    path = world.path("p_own", "mine.txt")
    problem(world.admin.get(path), 404, "not_found")
    answer = world.admin.post("/profile/own/activate")
    assert answer.status_code == 200, answer.text
    assert answer.json()["bucket"] == "p_own" and answer.json()["reachable"] is True
    assert world.admin.put(path, content=b"mine").status_code == 201
    primary = world.admin.get(world.path("primary", "profiles/own/mine.txt"))
    assert primary.content == b"mine", "it is a folder of the profile root"
    listed = world.admin.get("/storage/buckets").json()["items"]
    assert [item["profile"] for item in listed if item["name"] == "p_own"] == ["own"]
    answer = world.admin.post("/profile/own/deactivate").json()
    assert answer["bucket"] == "p_own" and answer["mounted"] is False
    problem(world.admin.get(path), 404, "not_found")
    problem(world.admin.put(path, content=b"x"), 503, "unavailable")


def test_only_admins_and_only_profiles(world):
    problem(world.admin.post("/profile/nobody/activate"), 404, "not_found")
    problem(world.admin.post("/profile/nobody/deactivate"), 404, "not_found")
    world.api.profile("own")
    with world.api.reader("own") as reader:
        for verb in ("activate", "deactivate"):
            problem(reader.post(f"/profile/own/{verb}"), 403, "forbidden")


def test_a_profile_root_that_is_away_is_said(world):
    world.api.profile("far")
    world.proxy.set("refuse")
    answer = world.admin.post("/profile/far/activate").json()
    assert answer["mounted"] is True and answer["reachable"] is False
    world.heal()


def test_what_is_in_a_profiles_bucket_is_warm_when_it_is_activated(world):
    world.api.profile("warm")
    assert world.admin.post("/profile/warm/activate").json()["warmed"] == []
    rows = "id,name\n" + "".join(f"{n},row {n}\n" for n in range(100))
    answer = world.admin.post(
        "/ingest/file",
        files={"file": ("rows.csv", rows.encode())},
        data={"dataset": "kept_warm", "row_key": "id", "home": "bucket"},
        headers={"X-Lakehouse-Bucket": "p_warm"},
    )
    assert answer.status_code == 201, answer.text
    world.api.profile("warm", "kept_warm")
    [warmed] = world.admin.post("/profile/warm/activate").json()["warmed"]
    assert (warmed["kind"], warmed["name"], warmed["ok"]) == ("cache", "kept_warm", True)
    before = world.admin.get("/query/cache/stats").json()
    assert [entry["relation"] for entry in before["entries"]] == ["kept_warm"]
    with world.api.reader("warm") as reader:
        found = reader.post("/query/sql", json={"sql": "select count(*) from kept_warm"})
    assert found.json()["rows"] == [[100]]
    assert world.admin.get("/query/cache/stats").json()["hits"] == before["hits"] + 1
    assert [item["name"] for item in world.admin.post("/profile/warm/deactivate").json()["warmed"]] == [
        "kept_warm"
    ]
    assert world.admin.get("/query/cache/stats").json()["entries"] == []
