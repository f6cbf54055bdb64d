"""Ctrl-C, from the first moment on."""

import signal
import subprocess
import sys

SLOW = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == 'click':
            print('importing', flush=True)
            time.sleep(30)
sys.meta_path.insert(0, Slow())
sys.argv = ['lakeward', '--help']
from app.cli.main import main
main()
"""


def test_ctrl_c_while_the_commands_are_imported_is_130_without_a_word():
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


def test_ctrl_c_that_is_ignored_stays_ignored():
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.argv = ['lakeward', '--version']\n"
        "from app.cli.main import main\n"
        "main()\n"
        "sys.exit(signal.getsignal(signal.SIGINT) is not signal.SIG_IGN)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
