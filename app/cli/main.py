"""The entry point of `lakeward`. It imports next to nothing, so that Ctrl-C is heard while commands are imported."""

import os
import signal

#: What a shell says of a command that Ctrl-C ended.
INTERRUPTED = 130


def main() -> None:
    """Run the command of `sys.argv`; see app.cli.commands.run. Ctrl-C before that leaves at once, without a word."""
    before = signal.getsignal(signal.SIGINT)
    # whoever started this may have it ignored
    if callable(before):
        signal.signal(signal.SIGINT, _leave)
    from app.cli.commands import run

    run(lambda: signal.signal(signal.SIGINT, before))


def _leave(*_: object) -> None:
    # an exception would come out of whatever is being imported, as that likes
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
