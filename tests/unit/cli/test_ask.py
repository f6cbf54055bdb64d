"""A question from the command line: the answer, what it rests on, and what is wrong with it."""

ANSWER = {
    "answer": "It bypasses the login [1].",
    "citations": [
        {
            "n": 1,
            "doc_key": "CVE-1",
            "chunk_no": 0,
            "text": "an authentication\nbypass",
            "start": 5,
            "end": 29,
        }
    ],
    "model": "tiny",
    "retrieved": 6,
    "duration_ms": 12.0,
    "note": None,
}


def test_an_answer_comes_with_what_it_rests_on(fake, run):
    fake.answer("POST", "/vectors/rag", ANSWER)
    outcome = run("ask", "analyst", "kev_v1", "what?", "-k", "3")
    assert fake.last.document == {"question": "what?", "index": "kev_v1", "profile": "analyst", "k": 3}
    assert "It bypasses the login [1]." in outcome.out
    assert "[1] CVE-1, 5–29: an authentication bypass" in outcome.out
    assert run("ask", "analyst", "kev_v1", "what?", "--json").document == ANSWER


def test_what_the_passages_must_be_is_sent_as_a_search_says_it(fake, run):
    fake.answer("POST", "/vectors/rag", ANSWER)
    run(
        "ask",
        "analyst",
        "kev_v1",
        "what?",
        "--filter",
        '{"year": 2024}',
        "--rerank",
        "--context-tokens",
        "900",
    )
    assert fake.last.document == {
        "question": "what?", "index": "kev_v1", "profile": "analyst",
        "filter": {"year": 2024}, "rerank": True, "context_tokens": 900,
    }  # fmt: skip
    fake.requests.clear()
    outcome = run("ask", "analyst", "kev_v1", "what?", "--filter", "year=2024")
    assert outcome.code == 2 and "JSON object" in outcome.err and fake.requests == []


def test_without_a_model_the_passages_and_the_note_are_shown(fake, run):
    fake.answer(
        "POST", "/vectors/rag", {**ANSWER, "answer": None, "model": None, "note": "no model is configured"}
    )
    outcome = run("ask", "analyst", "kev_v1", "what?")
    assert "CVE-1" in outcome.out and "None" not in outcome.out
    assert "no model is configured" in outcome.err
