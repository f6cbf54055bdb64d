from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import InvalidInputError
from app.vectors import chunking
from app.vectors.chunking import Chunk, compose_text, plan_chunks

#: Short words and every kind of white space, so that texts are cut in many places.
alphabet = st.sampled_from("ab.!?é漢🦊\u0301\u200d\ufeff\0 \n\r\t\x0b\x1c\x1f\x85\xa0\u2003\u2029")
texts = st.one_of(
    st.text(alphabet, max_size=600), st.text(max_size=300), st.lists(st.text(max_size=9)).map("\n\n".join)
)


@settings(deadline=None)
@given(texts, st.integers(50, 200), st.integers(0, 199))
@example("a" * 1000, 50, 49)
@example(("word. " * 30 + "\n\n") * 5, 60, 59)
@example("\x1c" * 300 + "x", 50, 0)
@example("0" * 51 + ":", 50, 1)
def test_chunks_cover_the_text_with_exact_offsets(text, size, overlap):
    check_chunks(text, size, min(overlap, size - 1))


@settings(deadline=None)
@given(texts.map(lambda text: text * 5), st.integers(50, 80), st.integers(0, 79))
@example("a" + " " * 500 + "b" + " " * 90 + "c", 50, 0)
@example(" " * 1000 + "b", 50, 10)
@example(("0" * 19 + "\x1f" + "0" * 19) * 5, 58, 39)
def test_windows_lose_nothing(text, size, overlap):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "WINDOW", 0)
        patch.setattr(chunking, "CHUNKS_PER_WINDOW", 2)
        check_chunks(text, size, min(overlap, size - 1))


def check_chunks(text, size, overlap):
    chunks = plan_chunks(text, size, overlap)
    covered = set()
    for no, chunk in enumerate(chunks):
        assert chunk.no == no
        assert chunk.text == text[chunk.start : chunk.end] == chunk.text.strip() != ""
        assert len(chunk.text) <= size
        covered.update(range(chunk.start, chunk.end))
    assert all(character.isspace() or at in covered for at, character in enumerate(text))
    for left, right in pairwise(chunks):
        assert left.start < right.start and left.end < right.end
        assert left.end - right.start <= overlap


@settings(deadline=None)
@given(st.text(max_size=50))
def test_a_short_text_is_one_chunk(text):
    chunks = plan_chunks(text, 50, 10)
    assert [chunk.text for chunk in chunks] == ([text.strip()] if text.strip() else [])


def test_sentences_stay_whole():
    sentence = "The quick brown fox jumps over the lazy dog."
    chunks = plan_chunks(" ".join([sentence] * 12), 100, 0)
    assert [chunk.text for chunk in chunks] == [f"{sentence} {sentence}"] * 6


def test_offsets_count_characters_not_bytes():
    text = "🦊é漢 " * 100
    (first, second, *_) = plan_chunks(text, 50, 8)
    assert (first.start, first.no) == (0, 0)
    assert text[second.start : second.end] == second.text
    assert second.start < first.end


@pytest.mark.parametrize("text", ["", " ", "\n\t\u2003" * 1000, "\x1c" * 2000])
def test_a_blank_text_has_no_chunks(text):
    assert plan_chunks(text) == ()


@pytest.mark.parametrize(("size", "overlap"), [(49, 0), (20_001, 0), (0, 0), (-1, 0), (100, 100), (100, -1)])
def test_sizes_that_cannot_be_are_refused(size, overlap):
    with pytest.raises(InvalidInputError, match=r"chunk\.(size|overlap)"):
        plan_chunks("text", size, overlap)


def test_a_text_that_is_not_unicode_is_refused():
    with pytest.raises(InvalidInputError, match="Unicode"):
        plan_chunks("\ud800" * 2000)


@pytest.mark.parametrize("piece", ["a", "a ", "\n", "a\n\n", "e" + "\u0301" * 50, ". ", "🦊\u200d"])
def test_the_splitter_is_never_given_a_long_text(piece, monkeypatch):
    """Its time grows with the square of the text."""
    given = []

    class Splitter:
        def chunk_indices(self, text):
            given.append(len(text))
            return splitter.chunk_indices(text)

    splitter = chunking._splitter(1000, 100)
    monkeypatch.setattr(chunking, "_splitter", lambda size, overlap: Splitter())
    text = piece * (200_000 // len(piece))
    chunks = plan_chunks(text)
    assert max(given) <= chunking.WINDOW
    assert sum(given) < 1.5 * len(text)
    assert sum(len(chunk.text) for chunk in chunks) >= len("".join(text.split())) * 0.99


def test_a_chunk_says_where_it_is():
    assert plan_chunks("  one  ") == (Chunk(no=0, start=2, end=5, text="one"),)


def test_a_row_becomes_a_line_for_each_column_in_their_order():
    row = {
        "title": "T",
        "tags": ["a", None, "b", ["c", 1]],
        "none": None,
        "blank": " ",
        "n": 1.5,
        "flag": True,
        "doc": {"k": ["é", 1]},
        "other": "x",
    }
    columns = ["tags", "title", "none", "absent", "blank", "n", "flag", "doc"]
    assert compose_text(row, columns) == 'a, b, c, 1\nT\n1.5\ntrue\n{"k":["é",1]}'
    assert compose_text({}, columns) == compose_text(row, []) == ""
