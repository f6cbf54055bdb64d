import pytest
from rich.cells import cell_len

from app.cli.answer import plain_number, show_answer


def answer(columns, rows, **changes):
    return {
        "columns": [{"name": name, "type": kind} for name, kind in columns],
        "rows": rows,
        "row_count": len(rows),
        "truncated": False,
        "duration_ms": 3.0,
        **changes,
    }


def test_numbers_are_right_and_long_texts_are_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    show_answer(
        answer(
            [("text", "string"), ("n", "int64"), ("price", "decimal128(10, 2)")],
            [["y" * 100, 12345, "1.50"], ["[red]東京[/red]", None, "1000.25"]],
        )
    )
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0].split() == ["text", "n", "price"]
    assert lines[2].split()[1:] == ["12,345", "1.50"] and "y…" in lines[2]
    assert lines[3].split() == ["[red]東京[/red]", "–", "1000.25"]
    assert cell_len(lines[2]) == cell_len(lines[3])
    assert max(map(len, lines)) <= 40


def test_a_pipe_has_no_width_and_no_colour(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    columns = [(f"column_{i}", "string") for i in range(30)]
    show_answer(answer(columns, [[f"value {i}" for i in range(30)], ["z" * 150] * 30]))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [line for line in out.splitlines() if "value 0 " in line and "value 29" in line]
    assert out.count("z" * 99 + "…") == 30


def test_what_is_not_shown_is_counted(capsys):
    show_answer(answer([("n", "int64")], [[i] for i in range(100)]))
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "… and 60 more rows: --out FILE has them all",
        "100 rows; 3.0 ms",
    ]
    show_answer(answer([("n", "int64")], [[i] for i in range(100)], truncated=True))
    assert "… and at least 60 more rows" in capsys.readouterr().out


def test_an_answer_without_rows(capsys):
    show_answer(answer([("n", "int64")], []))
    assert capsys.readouterr().out == "no rows\n0 rows; 3.0 ms\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "1,234,567"),
        (0.0, "0"),
        (1 / 3, "0.333333"),
        (1e-9, "1e-09"),
        (-12345.5, "-12,345.5"),
        (1e20, "1e+20"),
        ("12.50", "12.50"),
    ],
)
def test_numbers(value, shown):
    assert plain_number(value) == shown
