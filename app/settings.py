"""Settings: read once from `lakeward.toml` and the environment, frozen, and passed in.

The environment wins over the file. A nested setting `api.port` is `LAKEWARD_API_PORT`; an unknown key is an error
that names the nearest known one.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from app.errors import SettingsError
from app.mismatch import explain_error

Provider = Literal["minilm", "ollama", "openai", "fake"]
#: What answers questions and compares texts is not part of Lakeward: without a server there is none.
Answerer = Literal["none", "ollama", "openai"]

#: Environment names that start with LAKEWARD_ but are the client's, the tests' or the benchmarks', not settings.
NOT_SETTINGS = frozenset({"LAKEWARD_URL", "LAKEWARD_API_KEY", "LAKEWARD_CONFIG"})
NOT_SETTINGS_PREFIXES = ("LAKEWARD_TEST_", "LAKEWARD_BENCH_")


class ApiSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the API listens. `auth` may be off only on a loopback address."""

    host: str = "127.0.0.1"
    port: int = 8642
    auth: bool = True
    max_body_bytes: int = 2 * 1024**3


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model provider. `secret_ref` is `env:NAME` or `file:/path` (mode 0600), never the secret.

    `precision` is minilm's: int8 takes half the time, and its vectors are another version's.
    """

    provider: Provider = "minilm"
    model: str = "all-MiniLM-L6-v2"
    precision: Literal["fp32", "int8"] = "fp32"
    url: str | None = None
    secret_ref: str | None = None
    timeout_s: float = 30.0
    retries: int = 2


class AnswererSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model that writes answers (`models.generate`) or compares texts (`models.rerank`); as ModelSettings."""

    provider: Answerer = "none"
    model: str = ""
    url: str | None = None
    secret_ref: str | None = None
    timeout_s: float = 60.0
    retries: int = 2


class ModelsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The provider of each kind of model. `embedders` are for indexes of other models than `embed`'s."""

    embed: ModelSettings = ModelSettings()
    embedders: tuple[ModelSettings, ...] = ()
    generate: AnswererSettings = AnswererSettings()
    rerank: AnswererSettings = AnswererSettings()


class QuerySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Upper limits of one analytic query; a request may ask for less, never for more.

    A client that takes its answer slower than a megabit a second may lag behind for `client_timeout_ms`; then the
    query is stopped.
    """

    timeout_ms: int = 30_000
    client_timeout_ms: int = 30_000
    max_rows: int = 100_000
    memory_bytes: int = 1024**3


class CacheSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hot cache of one process: rows as readers see them, in memory. None is a quarter of the machine's."""

    max_bytes: int | None = None

    @property
    def limit_bytes(self) -> int:
        """What `max_bytes` is on this machine."""
        if self.max_bytes is not None:
            return self.max_bytes
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether an answer waits until its audit entry is on the server's disk.

    Without, a crash of the database server can lose the entries of the last 0.6 seconds (three times its
    wal_writer_delay) whose answers were given; a crash of Lakeward loses none. With, a search of a millisecond takes
    a fifth longer on a fast disk, and several times as long on a slow one.

    Of questions the audit has hashes, since they may name people; `keep_questions` is how many of the last are kept of
    each index to try it with, without who asked.
    """

    durable: bool = False
    keep_questions: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0


class PoolSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Connections to Postgres of one process, and how long a request waits for one, in seconds."""

    min_size: int = 2
    max_size: int = 10
    timeout_s: float = 10.0


class BucketSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bucket. `url` is file:///path, s3://bucket/prefix, gs://… or az://container/prefix.

    A path that is not absolute is one below the home. `secret_ref` is `env:NAME` or `file:/path` (mode 0600) and
    names key pairs (app/storage/credentials.py); without, the machine's own credentials are used. `endpoint` is the
    server of an S3 that is not Amazon's.
    """

    name: str
    url: str
    secret_ref: str | None = None
    endpoint: str | None = None
    region: str | None = None
    allow_http: bool = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set. `database_url` of None means the embedded server under `home`."""

    home: Path = Path("~/.lakeward")
    database_url: str | None = None
    postgres_version: Literal[16, 18] = 18
    api: ApiSettings = ApiSettings()
    models: ModelsSettings = ModelsSettings()
    query: QuerySettings = QuerySettings()
    cache: CacheSettings = CacheSettings()
    pool: PoolSettings = PoolSettings()
    audit: AuditSettings = AuditSettings()
    buckets: tuple[BucketSettings, ...] = ()
    #: The bucket that is read when another does not answer.
    rescue_bucket: str | None = None
    #: A URL; a profile's own bucket is `<profile_root>/<profile id>`.
    profile_root: str | None = None

    @property
    def admin_key_file(self) -> Path:
        """Where the first admin key is kept, alone, mode 0600."""
        return self.home / "admin.key"


#: Settings that are lists: [[buckets]], [[models.embedders]] in the file, JSON in the environment.
_LISTS: Mapping[tuple[str, ...], type[msgspec.Struct]] = {
    ("buckets",): BucketSettings,
    ("models", "embedders"): ModelSettings,
}
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def load_settings(
    environ: Mapping[str, str] | None = None, *, config: Path | None = None, **overrides: Any
) -> Settings:
    """Read the settings: defaults, then the file, then the environment, then `overrides` (from the command line).

    The file is `config`, else `LAKEWARD_CONFIG`, else `lakeward.toml` in the working directory when it is there.

    Raises:
        SettingsError: an unknown key, a value of the wrong type, or a file that cannot be read.
    """
    environ = os.environ if environ is None else environ
    raw = _read_file(config, environ)
    for path, value in _from_environ(environ):
        _put(raw, path, value)
    for name, value in overrides.items():
        if value is not None:
            _put(raw, tuple(name.split(".")), value)
    _check_lists(raw)
    try:
        settings = msgspec.convert(raw, Settings, strict=False, dec_hook=_decode_path)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"lakeward.toml or LAKEWARD_*: {explain_error(exc, Settings)}") from exc
    return _checked(msgspec.structs.replace(settings, home=settings.home.expanduser().absolute()))


def _read_file(config: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:
    named = config or (Path(environ["LAKEWARD_CONFIG"]) if "LAKEWARD_CONFIG" in environ else None)
    path = named or Path("lakeward.toml")
    if named is None and not path.exists():
        return {}
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(f"{path}: {exc}") from exc
    known = {".".join(p) for p in _paths(Settings)}
    for name in _flatten(raw):
        if name not in known:
            raise SettingsError(f"{path}: unknown setting '{name}'{_nearest(name, known)}")
    return raw


def _from_environ(environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    known = {"LAKEWARD_" + "_".join(path).upper(): path for path in _paths(Settings)}
    for name, value in environ.items():
        if not name.startswith("LAKEWARD_") or name in NOT_SETTINGS or name.startswith(NOT_SETTINGS_PREFIXES):
            continue
        if name not in known:
            raise SettingsError(f"unknown environment setting {name}{_nearest(name, known)}")
        yield known[name], _decoded(name, value) if known[name] in _LISTS else value


def _decoded(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as exc:
        raise SettingsError(f"{name} must be JSON, a list of objects") from exc


def _paths(struct: type[msgspec.Struct], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, kind in get_type_hints(struct).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _paths(kind, (*prefix, name))
        else:
            yield (*prefix, name)


def _flatten(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in raw.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _put(raw: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        raw = raw.setdefault(name, {})
    raw[path[-1]] = value


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _decode_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise TypeError(f"cannot read {value!r} as {kind.__name__}")


def _check_lists(raw: Mapping[str, Any]) -> None:
    for path, kind in _LISTS.items():
        items: Any = raw
        for name in path:
            items = items.get(name, ()) if isinstance(items, Mapping) else ()
        for item in items if isinstance(items, list) else ():
            known = [field.name for field in msgspec.structs.fields(kind)]
            for name in item if isinstance(item, Mapping) else ():
                if name not in known:
                    raise SettingsError(
                        f"unknown setting '{'.'.join(path)}.{name}'{_nearest(str(name), known)}"
                    )


def _check_buckets(settings: Settings) -> None:
    names = [bucket.name for bucket in settings.buckets]
    for name in names:
        # p_<profile> is what a profile's own bucket is called
        if not _BUCKET_NAME.fullmatch(name) or name.startswith("p_"):
            raise SettingsError(
                f"buckets.name must be a slug [a-z0-9][a-z0-9_-]{{0,62}} that does not begin with p_, not {name[:80]!r}"
            )
        if names.count(name) > 1:
            raise SettingsError(f"two buckets are called {name!r}")
    if settings.rescue_bucket is not None and settings.rescue_bucket not in [*names, "local"]:
        raise SettingsError(
            f"rescue_bucket {settings.rescue_bucket[:80]!r} is none of the buckets: {', '.join(names) or 'local'}"
        )


def _checked(settings: Settings) -> Settings:
    _check_buckets(settings)
    if not settings.api.auth and settings.api.host not in ("127.0.0.1", "localhost", "::1"):
        raise SettingsError(
            f"api.auth may be off only on a loopback address, not on {settings.api.host}; "
            "set api.host = '127.0.0.1' or turn api.auth on"
        )
    if not 0 <= settings.api.port <= 65535:
        raise SettingsError(f"api.port must be between 0 and 65535, not {settings.api.port}")
    return settings
