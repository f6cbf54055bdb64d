"""Where a subject's bytes may lie, and the scan of all of it: Postgres' data directory and the home.

Of the data directory everything is read except other databases. Files are named by the relation they belong to, so that
whoever reads a report knows where to look.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from app.db.queries import load_queries
from app.db.scope import Scope
from app.tombstones.erasure_models import Place, ScanReport
from app.tombstones.scan import FileScan, Pattern, Progress, Scan, Scanner, list_files, scan_files
from app.tombstones.working_file import working_folder

QUERIES = load_queries(__file__, "erasure.sql")
#: pg_control begins with the number that initdb gave the cluster, as 8 bytes in the machine's own order.
IDENTIFIER_BYTES = 8


class Cluster(msgspec.Struct, frozen=True):
    """What the server says of itself, and how it writes WAL."""

    database_oid: int
    system_identifier: int
    server_version: str
    wal_compression: str
    archive_mode: str
    segment_bytes: int
    slots: int


class Places(msgspec.Struct, frozen=True):
    """The folders to scan. `data` is None when this process cannot read the server's data directory."""

    home: Path
    data: Path | None
    database_oid: int

    @property
    def wal(self) -> Path | None:
        """Where the WAL segments are."""
        return None if self.data is None else self.data / "pg_wal"


class _File(msgspec.Struct, frozen=True):
    file: int
    name: str


async def get_cluster(owner: Scope) -> Cluster:
    """The server this database is on."""
    return (await owner.fetch(Cluster, QUERIES["cluster"]))[0]


def find_data(candidate: Path | None, system_identifier: int) -> Path | None:
    """The data directory, when this process can read it and it is this server's and not another's of the same path."""
    if candidate is None:
        return None
    try:
        with (candidate / "global" / "pg_control").open("rb") as file:
            found = int.from_bytes(file.read(IDENTIFIER_BYTES), "little")
        list((candidate / "pg_wal").iterdir())
    except OSError:
        return None
    return candidate if found == system_identifier else None


def list_places(places: Places) -> Iterator[Path]:
    """Every file that is scanned."""
    inside = places.data is not None and places.home in places.data.parents
    skipped = {working_folder(places.home)} | ({places.data} if inside else set())
    yield from list_files(places.home, skip=lambda path: path in skipped)
    if places.data is None:
        return
    base, own = places.data / "base", str(places.database_oid)
    yield from list_files(
        places.data, skip=lambda path: path.parent == base and path.name.isdecimal() and path.name != own
    )
    # links are not followed by list_files; these two are Postgres' own
    if places.data.joinpath("pg_wal").is_symlink():
        yield from list_files(places.data.joinpath("pg_wal").resolve())
    for link in sorted(places.data.glob("pg_tblspc/*")):
        for version in sorted(link.resolve().glob("PG_*")):
            yield from list_files(version / own)


def scan_places(places: Places, patterns: Sequence[Pattern], progress: Progress | None = None) -> Scan:
    """Search every file for the patterns. Blocking, and long: run it in a thread."""
    return scan_files(Scanner(patterns), list_places(places), progress)


async def describe_scan(
    owner: Scope, places: Places, patterns: Sequence[Pattern], scan: Scan, duration_ms: int
) -> ScanReport:
    """What a scan found, by place and kind; nothing of what was searched for."""
    names = await _name_files(owner, places, scan.hits)
    met = {number for hit in scan.hits for number in hit.found}
    return ScanReport(
        files=scan.files,
        bytes=scan.size,
        duration_ms=duration_ms,
        data_directory="not readable" if places.data is None else "scanned",
        patterns=dict(sorted(Counter(pattern.kind for pattern in patterns).items())),
        found=dict(sorted(Counter(patterns[number].kind for number in met).items())),
        places=_group(scan.hits, names, patterns),
        unreadable=[_label(places, Path(path)) for path in scan.unreadable],
    )


def _group(hits: Sequence[FileScan], names: Sequence[str], patterns: Sequence[Pattern]) -> list[Place]:
    by_place: dict[str, list[FileScan]] = {}
    for hit, name in zip(hits, names, strict=True):
        by_place.setdefault(name, []).append(hit)
    places = []
    for name, files in sorted(by_place.items()):
        found: Counter[str] = Counter()
        for file in files:
            for number, count in file.found.items():
                found[patterns[number].kind] += count
        places.append(Place(place=name, files=len(files), found=dict(sorted(found.items()))))
    return places


def find_node(places: Places, path: Path) -> int | None:
    """The file number of a file of this database (12345, 12345.1, 12345_vm), or None for any other file."""
    number = path.name.split(".")[0].split("_")[0]
    inside = path.parent.name == str(places.database_oid)
    return int(number) if inside and number.isdecimal() else None


async def _name_files(owner: Scope, places: Places, hits: Sequence[FileScan]) -> list[str]:
    nodes = [find_node(places, Path(hit.path)) for hit in hits]
    wanted = sorted({node for node in nodes if node is not None})
    rows = await owner.fetch(_File, QUERIES["relations_of_files"], {"files": wanted}) if wanted else []
    names = {row.file: row.name for row in rows}
    return [
        _label(places, Path(hit.path))
        if node is None
        else names.get(node, "a file that belongs to no relation")
        for hit, node in zip(hits, nodes, strict=True)
    ]


def _label(places: Places, path: Path) -> str:
    """A folder of Postgres, or a path below the home. Names of files in the home are Lakeward's own."""
    if places.data is not None and places.data in path.parents:
        return path.relative_to(places.data).parts[0]
    if places.home in path.parents:
        return f"home/{path.relative_to(places.home)}"
    return path.parent.name
