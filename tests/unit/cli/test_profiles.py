"""`lakeward profile`: what is sent, what is shown, and the command line that makes a profile as it is."""

from app.cli.profiles import create_words

PROFILE = {
    "id": "p",
    "description": "",
    "ollama_name": None,
    "bound_datasets": ["a", "b"],
    "hnsw_config": {"m": 24, "ef_construction": 80, "ef_search": 30},
    "embed_model": None,
    "access_role": "agent",
    "vector_backend": "pgvector",
    "role_name": "lw_p_p",
    "schema_name": "p_p",
    "created_at": "2026-01-02T03:04:05Z",
    "created_by": "x",
}
WARMED = {
    "index": "a_v1",
    "source": "a",
    "vectors": 12,
    "variant": {"m": 24, "ef_construction": 80},
    "built": True,
    "build_ms": 10.0,
    "warm_ms": 1.0,
}


def test_create_sends_what_was_said_and_nothing_else(fake, run):
    fake.answer("POST", "/catalog/profiles", PROFILE, 201)
    outcome = run("profile", "create", "p", "--bind", "a", "--bind", "b", "--m", "24")
    assert outcome.code == 0, outcome.err
    assert fake.last.document == {"id": "p", "bound_datasets": ["a", "b"], "hnsw_config": {"m": 24}}
    assert "a, b" in outcome.out
    assert "lakeward key create p --profile p" in outcome.out


def test_create_knows_every_field_of_a_profile(fake, run):
    fake.answer("POST", "/catalog/profiles", {**PROFILE, "vector_backend": "lance"}, 201)
    outcome = run("profile", "create", "p", "--vector-backend", "lance", "--embed-model", "minilm")
    assert outcome.code == 0, outcome.err
    assert fake.last.document == {
        "id": "p", "bound_datasets": [], "hnsw_config": {}, "vector_backend": "lance", "embed_model": "minilm",
    }  # fmt: skip
    assert "lance" in outcome.out
    assert run("profile", "create", "p", "--vector-backend", "faiss").code == 2


def test_the_command_of_a_profile_has_all_its_options_and_none_that_is_empty():
    profile = {**PROFILE, "bound_datasets": ["a"], "description": "it's", "vector_backend": "lance"}
    assert create_words(profile) == [
        "profile", "create", "p", "--bind", "a", "--description", "it's", "--m", "24", "--ef-construction", "80",
        "--ef-search", "30", "--access-role", "agent", "--vector-backend", "lance",
    ]  # fmt: skip


def test_lists_and_shows(fake, run):
    fake.answer("GET", "/catalog/profiles", {"items": [PROFILE], "next_cursor": None})
    fake.answer("GET", "/catalog/profiles/p", PROFILE)
    assert "a, b" in run("profile", "list").out
    assert "pgvector" in run("profile", "list").out
    shown = run("profile", "show", "p").out
    assert "role lw_p_p, schema p_p" in shown and "pgvector" in shown
    assert run("profile", "show", "p", "--json").document == PROFILE


def test_activate(fake, run):
    activation = {"profile": "p", "warmed": [WARMED], "failures": [], "duration_ms": 11.0}
    fake.answer("POST", "/vectors/profile/p/activate", activation)
    outcome = run("profile", "activate", "p")
    assert outcome.code == 0
    assert "p is ready, in 11 ms" in outcome.out
    assert "m 24, ef 80" in outcome.out


def test_a_copy_without_a_graph_is_said_to_be_scanned(fake, run):
    warmed = {**WARMED, "variant": None}
    activation = {"profile": "p", "warmed": [warmed], "failures": [], "duration_ms": 11.0}
    fake.answer("POST", "/vectors/profile/p/activate", activation)
    outcome = run("profile", "activate", "p")
    assert outcome.code == 0 and "scanned" in outcome.out and "ef " not in outcome.out


def test_an_index_that_fails_is_a_failure(fake, run):
    failures = [{"binding": "b", "error": "no memory"}]
    activation = {"profile": "p", "warmed": [WARMED], "failures": failures, "duration_ms": 11.0}
    fake.answer("POST", "/vectors/profile/p/activate", activation)
    outcome = run("profile", "activate", "p")
    assert outcome.code == 1
    assert "a_v1" in outcome.out
    assert outcome.err.splitlines()[-1] == "lakeward: not every index is ready: b: no memory"
