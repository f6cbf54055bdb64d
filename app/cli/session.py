"""What every client command shares: --home, --url, --json, a client, and errors as JSON when JSON was asked for."""

import functools
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from app.cli.address import find_address
from app.cli.client import Api
from app.errors import LakewardError
from app.settings import load_settings

#: What an answer says of a thing that is not there, when it says no more.
_MISSING = re.compile(r"no (index|profile|dataset|view|adapter) (?:'[^']*'|\"[^\"]*\")")


class Session:
    """One command's client and how its answer is shown."""

    def __init__(
        self, api: Api, *, as_json: bool = False, home: Path | None = None, url: str | None = None
    ) -> None:
        """`home` and `url` are those that the person named, if any."""
        self.api = api
        self.as_json = as_json
        self._home = home
        self._url = url

    def command(self, *words: str, home_option: str = "--home") -> str:
        """A command line that does something more with the same server, for the person to copy."""
        where = [home_option, str(self._home)] if self._home else []
        where += ["--url", self._url] if self._url else []
        return shlex.join(["lakeward", *words, *where])

    def as_reader(self, profile: str) -> Api:
        """The same server as the reader of `profile`."""
        return Api(self.api.address, profile=profile)


def connected(*home_options: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command --home (or `home_options` instead), --url and --json; it is called with a Session first."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @click.option("--json", "as_json", is_flag=True, help="The API's JSON instead of a table.")
        @click.option(
            "--url", metavar="URL", help="The server. [LAKEWARD_URL, or the one that runs on the home]"
        )
        @click.option(
            *(home_options or ("--home",)),
            "lakeward_home",
            type=click.Path(path_type=Path),
            help="The home whose server and key are used. [~/.lakeward]",
        )
        @functools.wraps(function)
        def run(lakeward_home: Path | None, url: str | None, as_json: bool, **arguments: Any) -> None:
            session: Session | None = None
            try:
                settings = load_settings(home=lakeward_home)
                with Api(find_address(settings, url)) as api:
                    session = Session(api, as_json=as_json, home=lakeward_home, url=url)
                    function(session, **arguments)
            except LakewardError as exc:
                if not as_json:
                    exc.message += _say_where_to_look(session, exc.message)
                    raise
                click.echo(json.dumps(_problem(exc), ensure_ascii=False), err=True)
                sys.exit(1)

        return run

    return decorate


def _say_where_to_look(session: Session | None, message: str) -> str:
    """What lists the things of which one was named that is not there; the list has what the key may know."""
    missing = _MISSING.fullmatch(message)
    return f"; see: {session.command(missing[1], 'list')}" if session and missing else ""


def _problem(exc: LakewardError) -> dict[str, Any]:
    document: dict[str, Any] = exc.extra.get("problem") or {
        "type": f"urn:lakeward:problem:{exc.code}",
        "title": exc.title,
        "status": exc.status,
        "detail": exc.message,
        "code": exc.code,
    }
    return document


def confirm(question: str, yes: bool) -> None:
    """Ask before something is destroyed, unless --yes was given; without a terminal --yes must be."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say so with --yes.")
    click.confirm(question, abort=True, err=True)


YES = click.option("--yes", is_flag=True, help="Do not ask.")
