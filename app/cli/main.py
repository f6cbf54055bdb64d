"""`lakeward`: the commands by name. `--help` loads none of them."""

import importlib
import sys
from typing import Any

import rich_click as click

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
    "dataset": ("app.cli.catalog", "List, show and delete datasets."),
    "profile": ("app.cli.profiles", "Create, list, show, activate and delete profiles."),
    "index": ("app.cli.vectors", "Create, list, show and delete vector indexes."),
    "job": ("app.cli.vectors", "List, show and cancel jobs."),
    "search": ("app.cli.vectors", "Search an index as a profile."),
    "query": ("app.cli.query", "Run one analytic SELECT."),
    "key": ("app.cli.access", "Create, list and revoke API keys."),
    "whoami": ("app.cli.access", "Say who the key belongs to, and what it may read."),
}


class LazyGroup(click.RichGroup):
    """Commands that are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, summary = COMMANDS[cmd_name]
        if "--help" in sys.argv[1:2] or not sys.argv[1:]:
            return click.Command(cmd_name, short_help=summary)
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lakeward")
def lakeward() -> None:
    """A governed lakehouse for AI agents and local models, on PostgreSQL."""


def main() -> None:
    """The entry point: one line and what to do next when it fails; 2 for usage, 1 for failure, 130 for Ctrl-C."""
    try:
        lakeward(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except LakewardError as exc:
        click.echo(f"lakeward: {exc.message}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
