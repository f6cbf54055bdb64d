"""Access roles over the API: made, changed, shown to whom they concern, kept while somebody has them."""

import pytest

from tests.integration.access.doors import by_manifest, by_psql, by_search, by_sql, everything
from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

BUILT_IN = ["admin", "agent", "analyst", "recruiter"]


def make_role(api: Api, name: str, clearance: str = "internal", **fields: object) -> dict[str, object]:
    answer = api.admin.post("/access/roles", json={"name": name, "clearance": clearance, **fields})
    assert answer.status_code in (200, 201), answer.text
    document: dict[str, object] = answer.json()
    return document


def test_a_role_is_created_updated_listed_and_deleted(api: Api) -> None:
    wanted = {"name": "nurse", "clearance": "confidential", "default_action": "mask", "keep_prefix": 1}
    created = api.admin.post("/access/roles", json=wanted)
    assert created.status_code == 201, created.text
    shown = {key: value for key, value in created.json().items() if key != "created_at"}
    assert shown == {
        **wanted,
        "description": "",
        "keep_suffix": None,
        "can_write": False,
        "built_in": False,
        "profiles": 0,
    }
    # what is left out gets its default, as with profiles
    updated = api.admin.post("/access/roles", json={"name": "nurse", "clearance": "public"})
    assert (updated.status_code, updated.json()["default_action"], updated.json()["keep_prefix"]) == (
        200,
        "null",
        None,
    )
    names = [role["name"] for role in api.admin.get("/access/roles").json()["items"]]
    assert names == sorted([*BUILT_IN, "nurse"])
    first = api.admin.get("/access/roles", params={"limit": 2}).json()
    assert [role["name"] for role in first["items"]] == ["admin", "agent"] and first["next_cursor"]
    assert api.admin.delete("/access/roles/nurse").json() == {"name": "nurse"}
    problem(api.admin.get("/access/roles/nurse"), 404, "not_found")
    problem(api.admin.delete("/access/roles/nurse"), 404, "not_found")


def test_a_role_that_a_profile_has_stays_and_the_refusal_names_the_profiles(api: Api) -> None:
    make_role(api, "kept")
    api.profile("holder_b", access_role="kept")
    api.profile("holder_a", access_role="kept")
    refusal = problem(api.admin.delete("/access/roles/kept"), 409, "in_use")
    assert refusal["used_by"] == ["holder_a", "holder_b"] and "holder_a, holder_b" in refusal["detail"]
    assert api.admin.get("/access/roles/kept").json()["profiles"] == 2
    api.profile("holder_a")
    api.profile("holder_b")
    assert api.admin.delete("/access/roles/kept").status_code == 200


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_roles_stay_and_may_be_changed(api: Api, name: str) -> None:
    refusal = problem(api.admin.delete(f"/access/roles/{name}"), 409, "conflict")
    assert "built in" in refusal["detail"]
    role = api.admin.get(f"/access/roles/{name}").json()
    assert role["built_in"] is True
    fields = ("name", "clearance", "default_action", "can_write")
    answer = api.admin.post("/access/roles", json={f: role[f] for f in fields} | {"description": "ours"})
    assert (answer.status_code, answer.json()["description"]) == (200, "ours")


def test_a_reader_sees_its_own_role_and_writes_none(api: Api) -> None:
    make_role(api, "seen", "public", default_action="hash")
    make_role(api, "unseen")
    api.profile("looker", access_role="seen")
    reader = api.reader("looker")
    roles = reader.get("/access/roles").json()["items"]
    assert [(role["name"], role["clearance"], role["profiles"]) for role in roles] == [("seen", "public", 1)]
    assert reader.get("/access/roles/seen").status_code == 200
    problem(reader.get("/access/roles/unseen"), 404, "not_found")
    problem(reader.post("/access/roles", json={"name": "seen", "clearance": "restricted"}), 403, "forbidden")
    problem(reader.delete("/access/roles/seen"), 403, "forbidden")
    acting = {"X-Lakehouse-Profile": "looker"}
    assert len(api.admin.get("/access/roles", headers=acting).json()["items"]) == 1
    problem(api.admin.delete("/access/roles/unseen", headers=acting), 403, "forbidden")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clearance": "secret"}, "public, internal, confidential, restricted"),
        ({"default_action": "blur"}, "null, hash, mask, mask_alphanum"),
        ({"keep_prefix": 2}, "default_action mask"),
        ({"default_action": "hash", "keep_suffix": 0}, "default_action mask"),
        ({"default_action": "mask", "keep_prefix": -1}, "keep_prefix"),
        ({"default_action": "mask", "keep_prefix": 1001}, "keep_prefix"),
        ({"name": "Big"}, "name"),
        ({"color": "red"}, "color"),
    ],
)
def test_a_role_that_cannot_be_is_refused(api: Api, change: dict[str, object], said: str) -> None:
    wanted = {"name": "odd", "clearance": "internal", **change}
    assert said in problem(api.admin.post("/access/roles", json=wanted), 400, "invalid_input")["detail"]
    problem(api.admin.get("/access/roles/odd"), 404, "not_found")


def test_a_profile_with_a_role_that_is_not_there_is_told_which_are(api: Api) -> None:
    answer = api.admin.post("/catalog/profiles", json={"id": "lost", "access_role": "captain"})
    refusal = problem(answer, 404, "not_found")
    assert "'captain'" in refusal["detail"] and set(BUILT_IN) <= set(refusal["access_roles"])
    assert all(name in refusal["detail"] for name in BUILT_IN)
    problem(api.admin.get("/catalog/profiles/lost"), 404, "not_found")


def test_a_roles_change_reaches_its_readers_through_every_door_at_once(api: Api) -> None:
    api.ingest("wards", "id,patient,ward\n1,Ada Zq,north\n2,Bo Zq,south\n", row_key="id")
    levels = {"columns": {"patient": {"sensitivity": "confidential"}}}
    assert api.admin.patch("/catalog/datasets/by-name/wards/metadata", json=levels).status_code == 200
    api.index("wards", "ward")
    make_role(api, "porter", "confidential")
    for profile in ("porter_a", "porter_b"):
        api.profile(profile, "wards", access_role="porter")
    api.profile("bystander", "wards", access_role="recruiter")
    readers = {profile: api.reader(profile) for profile in ("porter_a", "porter_b", "bystander")}
    kept = {"keep_prefix": 1, "keep_suffix": 1}
    for change, patients, action in (
        ({"clearance": "confidential"}, ["Ada Zq", "Bo Zq"], None),
        ({"clearance": "internal"}, ["None", "None"], "null"),
        ({"clearance": "internal", "default_action": "mask", **kept}, ["A****q", "B***q"], "mask"),
        ({"clearance": "internal", "default_action": "mask_alphanum"}, ["** **", "*** **"], "mask_alphanum"),
        ({"clearance": "restricted"}, ["Ada Zq", "Bo Zq"], None),
    ):
        make_role(api, "porter", **change)  # type: ignore[arg-type]
        for profile in ("porter_a", "porter_b"):
            reader = readers[profile]
            assert by_sql(reader, "wards")["patient"] == patients
            assert by_psql(api, profile, "wards")["patient"] == patients
            hits = by_search(reader, profile, "wards_v1")
            assert sorted(str(hit["metadata"]["patient"]) for hit in hits) == patients
            assert by_manifest(reader, "wards")["patient"] == action
            if action:
                assert "Ada Zq" not in everything(api, reader, profile, "wards", "wards_v1")
        assert by_sql(readers["bystander"], "wards")["patient"] == ["Ada Zq", "Bo Zq"]
