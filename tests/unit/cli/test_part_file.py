import os
import signal
import stat
import time

import click
import pytest

from app.cli.part_file import part_file
from app.errors import InvalidInputError


def test_the_target_is_there_when_all_of_it_is(tmp_path):
    target = tmp_path / "a.csv"
    with part_file(target) as file:
        file.write(b"new")
        file.flush()
        assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, click.Abort])
def test_what_fails_or_is_stopped_changes_nothing(tmp_path, error):
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(error), part_file(target) as file:
        file.write(b"new")
        raise error
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.csv", "old")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_command_leaves_nothing(tmp_path, number):
    before = signal.getsignal(number)
    with pytest.raises(click.Abort), part_file(tmp_path / "a.csv"):
        os.kill(os.getpid(), number)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) == before


def test_a_link_stays_one_and_the_mode_is_kept(tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    with part_file(link) as file:
        file.write(b"new")
    assert link.is_symlink() and real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with part_file(pipe) as file:
        file.write(b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with (
        pytest.raises(InvalidInputError, match=r"none/a\.csv: No such file"),
        part_file(tmp_path / "none/a.csv"),
    ):
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_is_lost_comes_again(tmp_path, monkeypatch):
    monkeypatch.setattr("app.cli.part_file.AGAIN_S", 1)

    class Dying:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            # the handler runs here, and what it raises is ignored
            sum(range(1000))

    # a shell that started this in the background left SIGINT ignored
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(click.Abort), part_file(tmp_path / "out") as file:
        file.write(b"half")
        dying = Dying()
        del dying
        time.sleep(5)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before
