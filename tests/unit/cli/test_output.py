import pytest

from app.cli.output import duration, excerpt, printable, show_fields, show_json, show_table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zoë 東京 🙂", "Zoë 東京 🙂"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\nb\tc\r", "a⏎b c␍"),
        ("\u202eevil", "\\x202eevil"),
        ("\x9b2J", "\\x9b2J"),
        ({"a": None}, '{"a": null}'),
    ],
)
def test_nothing_steers_the_terminal(text, shown):
    assert printable(text) == shown


def test_line_breaks_may_be_kept():
    assert printable("a\nb\x1b", lines=True) == "a\nb\\x1b"


def test_cells_are_folded_and_never_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    show_table(["name", "text", "n#"], [["x", "y" * 100, 12345], ["[red]markup[/red]", None, 1]])
    out = capsys.readouterr().out
    assert out.count("y") == 100
    assert "12,345" in out
    assert "…" not in out
    assert "markup[/red]" in out.replace("\n", "").replace(" ", "") or "[red]" in out
    assert max(len(line) for line in out.splitlines()) <= 40


def test_an_empty_table_says_so(capsys):
    show_table(["name"], [], none="nothing yet")
    assert capsys.readouterr().out == "nothing yet\n"


def test_fields_that_are_empty_are_left_out(capsys):
    show_fields([("a", 0), ("b", None), ("c", []), ("d", "x\x1b")])
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()] == [["a", "0"], ["d", "x\\x1b"]]


def test_json_comes_as_it_is(capsys):
    show_json({"ä": [1, 2.5, None]})
    assert capsys.readouterr().out == '{"ä": [1, 2.5, null]}\n'


@pytest.mark.parametrize(
    ("milliseconds", "said"), [(0.24, "0.2 ms"), (12, "12 ms"), (1500, "1.5 s"), (125_000, "2 min 5 s")]
)
def test_durations(milliseconds, said):
    assert duration(milliseconds) == said


def test_an_excerpt_is_one_line():
    assert excerpt("a\n  b", 10) == "a b"
    assert len(excerpt("word " * 100, 50)) <= 50


def test_where_cells_are_to_be_whole_lines_are_longer(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    for whole in (False, True):
        show_table(["name", "of", "n#"], [["x" * 30, "y" * 30, 12345], ["short", None, 1]], whole=whole)
        out = capsys.readouterr().out
        assert ("x" * 30 in out and "y" * 30 in out) is whole and "12,345" in out
