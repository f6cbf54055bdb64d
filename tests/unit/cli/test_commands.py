import importlib
import subprocess
import sys

import pytest
import rich_click as click

from app.cli.commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_has_help(name, run):
    command = getattr(importlib.import_module(COMMANDS[name][0]), name)
    assert isinstance(command, click.Command)
    outcome = run(name, "--help")
    assert outcome.code == 0
    assert f"lakeward {name}" in outcome.out


def test_help_loads_no_command():
    code = (
        "import sys; sys.argv = ['lakeward', '--help']\n"
        "from app.cli.main import main\n"
        "main()\n"
        "heavy = {'httpx', 'rich', 'litestar', 'psycopg', 'pyarrow', 'numpy', 'msgspec'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["whoam"], "lakeward: There is no command 'whoam'. Did you mean 'whoami'? See: lakeward --help\n"),
        (["xyzzy"], "lakeward: There is no command 'xyzzy'. See: lakeward --help\n"),
        (
            ["whoami", "--nope"],
            "lakeward: No such option '--nope'. Did you mean '--home'? See: lakeward whoami --help\n",
        ),
        (["query"], "lakeward: Missing argument '\"SQL\"'. See: lakeward query --help\n"),
    ],
)
def test_wrong_usage_is_one_line_and_2(run, arguments, said):
    outcome = run(*arguments)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", said)


def test_settings_that_cannot_be_used_are_one_line_and_1(run, monkeypatch):
    monkeypatch.setenv("LAKEWARD_API_PROT", "1")
    outcome = run("whoami")
    assert outcome.code == 1
    assert outcome.err.startswith("lakeward: unknown environment setting LAKEWARD_API_PROT; did you mean")


def test_an_error_does_not_steer_the_terminal(fake, run):
    fake.problem("GET", "/whoami", 400, "invalid_input", "bad \x1b]0;x\x07 name")
    outcome = run("whoami")
    assert "\x1b" not in outcome.err
