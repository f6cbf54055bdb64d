"""`lakeward`: the commands by name. `--help` loads none of them."""

import difflib
import importlib
import os
import sys
from collections.abc import Callable

import click
from click.exceptions import NoArgsIsHelpError

from app import __version__
from app.errors import LakewardError

#: name -> (module, what --help says). The command is the module's attribute of that name, dashes as underscores.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("app.cli.server", "Start everything on this machine: Postgres, API and worker."),
    "demo": ("app.cli.demo", "Run the main job on real data, step by step."),
    "migrate": ("app.cli.server", "Bring the database to this version."),
    "serve": ("app.cli.server", "Run the API alone, against a migrated database."),
    "worker": ("app.cli.server", "Run background jobs alone."),
    "doctor": ("app.cli.server", "Check the server, the database and its governance rules."),
    "psql": ("app.cli.psql", "Open psql, as the admin or as a profile."),
    "ingest": ("app.cli.catalog", "Load files into a dataset."),
    "dataset": ("app.cli.catalog", "List, show, classify, attach, copy and delete datasets."),
    "bucket": ("app.cli.buckets", "List buckets, their health and errors; read and write objects."),
    "tombstone": ("app.cli.tombstones", "Delete rows by their keys, in every door at once."),
    "undo": ("app.cli.tombstones", "Take tombstones back."),
    "view": ("app.cli.views", "Create, list, show and delete safe views."),
    "erase": ("app.cli.erase", "Erase rows with every byte of them, and print the receipt."),
    "profile": ("app.cli.profiles", "Create, list, show, explain, activate and delete profiles."),
    "index": ("app.cli.vectors", "Create, list, show and delete vector indexes."),
    "job": ("app.cli.jobs", "List, show and cancel jobs."),
    "search": ("app.cli.vectors", "Search an index as a profile."),
    "ask": ("app.cli.ask", "Answer a question from an index as a profile, with citations."),
    "trial": ("app.cli.trials", "Measure HNSW configs, find the best, autotune; eval sets."),
    "adapter": ("app.cli.adapters", "Teach a model your questions: train, list and delete adapters."),
    "query": ("app.cli.query", "Run one analytic SELECT."),
    "role": ("app.cli.roles", "Create, list, show and delete access roles: who sees what as it is."),
    "journal": ("app.cli.journal", "Read the journal, verify it, seal it now."),
    "audit": ("app.cli.journal", "List who read what."),
    "key": ("app.cli.access", "Create, list and revoke API keys."),
    "user": ("app.cli.users", "Create, list and delete power users: logins for psql."),
    "whoami": ("app.cli.access", "Say who the key belongs to, and what it may read."),
}


class LazyGroup(click.Group):
    """Commands that are imported when they are run; in plain click, which is here in half the time of the rich one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order in which one needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """What --help shows of a command: its name and its summary."""
        if cmd_name not in COMMANDS:
            return None
        return click.Command(cmd_name, short_help=COMMANDS[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command itself, now that it is wanted."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", ctx)
        name, found, rest = super().resolve_command(ctx, args)
        if found is None or name is None:
            return name, found, rest
        command: click.Command = getattr(importlib.import_module(COMMANDS[name][0]), name)
        return name, command, rest


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lakeward")
def lakeward() -> None:
    """A governed lakehouse for AI agents and local models, on PostgreSQL."""


def run(ready: Callable[[], object]) -> None:
    """The command that was asked for: one line and what to do next when it fails; 2 for usage, 1 for failure.

    130 for Ctrl-C, which is heard here once `ready` was called.
    """
    try:
        ready()
        lakeward(prog_name="lakeward", standalone_mode=False)
        sys.stdout.flush()
    except NoArgsIsHelpError as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        _say(exc.format_message() + _usage_hint(exc))
        sys.exit(exc.exit_code)
    except LakewardError as exc:
        _say(exc.message)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # whoever read has enough; what is left must not be written when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as exc:
        _say(str(exc))
        sys.exit(1)


def _usage_hint(exc: click.ClickException) -> str:
    context = exc.ctx if isinstance(exc, click.UsageError) else None
    return f" See: {context.command_path} --help" if context else ""


def _say(message: str) -> None:
    from app.cli.output import printable

    click.echo(f"lakeward: {printable(message, lines=True)}", err=True)
