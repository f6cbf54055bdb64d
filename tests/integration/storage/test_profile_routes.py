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
