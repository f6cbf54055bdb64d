"""Pure decisions about eval sets and trials."""

import math
from collections.abc import Iterator, Sequence

import msgspec

from app.errors import DiskFullError, InvalidInputError, NotFoundError, ProfileNotBoundError
from app.profiles.models import Profile
from app.trials.models import Arm, AutotuneRequest, Build, EvalQuery, Measurement, Metric, TrialRequest, Type
from app.vectors.plan import MAX_QUERY_CHARACTERS, VECTOR_HEADER_BYTES, plan_graph_memory, plan_vector

MAX_MEASUREMENTS = 500
#: The highest and lowest recall that can be asked for: 1 would need an interval without a width.
LOWEST_TARGET, HIGHEST_TARGET = 0.5, 0.999
#: 95% of a normal distribution lie within so many standard deviations.
Z = 1.959964
MIB = 1024 * 1024
#: So many graphs of a copy are there at a time: what is measured on them in turns compares.
GRAPHS = 3


class Estimate(msgspec.Struct, frozen=True):
    """What a trial takes, in bytes: of memory while a graph is built, of disk for the copy and GRAPHS graphs."""

    memory_bytes: int
    disk_bytes: int


class Room(msgspec.Struct, frozen=True):
    """What there is; `disk_bytes` is None when the server's disk is not this machine's."""

    memory_bytes: int
    disk_bytes: int | None


class Interval(msgspec.Struct, frozen=True):
    """A mean, and its 95% interval."""

    mean: float
    low: float
    high: float


class Reader(msgspec.Struct, frozen=True):
    """What a profile is to an index, whose texts are `source`'s."""

    source: str
    bound: bool
    searches: bool


def check_name(index: str) -> None:
    """The name may be an index's: versions beside the live one have names of their own, which nobody asks by.

    Raises:
        NotFoundError: it is a version's.
    """
    if "~" in index:
        raise NotFoundError(f"no index {index[:60]!r}")


def plan_queries(queries: Sequence[EvalQuery], dimensions: int, index: str) -> None:
    """Every question can be asked of the index.

    Raises:
        InvalidInputError: naming the question by its place, from 0.
        DimensionMismatchError: a vector of another length.
    """
    for place, query in enumerate(queries):
        if (query.text is None) == (query.vector is None):
            raise InvalidInputError(f"queries[{place}]: send either text or vector")
        if query.vector is not None:
            try:
                plan_vector(query.vector, dimensions, index)
            except InvalidInputError as exc:
                raise type(exc)(f"queries[{place}]: {exc.message}") from exc
        for text in filter(None, [query.text, *query.relevant]):
            if "\0" in text or any(0xD800 <= ord(char) <= 0xDFFF for char in text):
                raise InvalidInputError(f"queries[{place}]: a text holds a character that is none")
        if query.text is not None and not query.text.strip():
            raise InvalidInputError(f"queries[{place}]: text is empty; ask something")
        if query.text is not None and len(query.text) > MAX_QUERY_CHARACTERS:
            raise InvalidInputError(
                f"queries[{place}]: text is longer than {MAX_QUERY_CHARACTERS} characters"
            )


def plan_part(text: str, seed: int) -> str:
    """Words of a chunk that somebody might ask for it: a third of them, 4 to 24, from a place that `seed` decides."""
    words = text.split()
    count = min(max(len(words) // 3, 4), 24, len(words))
    first = seed * 2654435761 % (len(words) - count + 1)
    return " ".join(words[first : first + count]) or text


def plan_arms(request: TrialRequest) -> dict[Build, list[int]]:
    """The builds, each with its beams, ascending; what is there twice is measured once.

    Raises:
        InvalidInputError: too many, a beam below k, or ef_construction below 2 * m.
    """
    arms: dict[Build, set[int]] = {}
    for arm in request.arms:
        _check_arm(arm, request.k)
        build = Build(m=arm.m, ef_construction=arm.ef_construction, type=arm.type)
        arms.setdefault(build, set()).update(arm.ef_search)
    count = sum(map(len, arms.values()))
    if count > MAX_MEASUREMENTS:
        raise InvalidInputError(
            f"the arms are {count} measurements; at most {MAX_MEASUREMENTS} go in a trial"
        )
    return {build: sorted(beams) for build, beams in arms.items()}


def _check_arm(arm: Arm, k: int) -> None:
    if arm.ef_construction < 2 * arm.m:
        raise InvalidInputError(
            f"ef_construction ({arm.ef_construction}) must be at least 2 * m ({2 * arm.m}); pgvector builds no other"
        )
    if min(arm.ef_search) < k:
        raise InvalidInputError(
            f"ef_search {min(arm.ef_search)} is below k ({k}): a beam of that width cannot hold the answer, and a "
            "search would use k"
        )


def plan_target(request: AutotuneRequest, queries: int) -> None:
    """The recall can be asked for, and so many queries can show it.

    Raises:
        InvalidInputError: saying what could.
    """
    target = request.target_recall
    if not LOWEST_TARGET <= target <= HIGHEST_TARGET:
        raise InvalidInputError(
            f"target_recall must be between {LOWEST_TARGET} and {HIGHEST_TARGET}, not {target:g}; "
            "only an exact search has a recall of 1"
        )
    if plan_interval([1.0] * queries, request.k).low < target:
        needed = math.ceil(Z * Z * target / (1 - target) / request.k * 1.05) + 1
        raise InvalidInputError(
            f"{queries} queries cannot show a recall of {target:g} with k = {request.k}, even if every hit is found: "
            f"it takes about {needed}; make an eval set with more"
        )


def check_profile(profile: Profile, index: str, reader: Reader) -> None:
    """A config of the index would change what the profile finds: it searches it, by pgvector.

    Raises:
        ProfileNotBoundError: as its search would say it.
        InvalidInputError: it searches by Lance.
    """
    if not reader.bound:
        allowed = ", ".join(profile.bound_datasets) or "nothing"
        raise ProfileNotBoundError(
            f"profile {profile.id!r} is not bound to {reader.source!r}; it is bound to {allowed}",
            allowed_bindings=profile.bound_datasets,
        )
    if not reader.searches:
        raise ProfileNotBoundError(
            f"index {index!r} holds texts of {reader.source!r} that are above the clearance of profile {profile.id!r}; "
            "tune an index over a view that redacts them",
            allowed_bindings=profile.bound_datasets,
        )
    if profile.vector_backend == "lance":
        raise InvalidInputError(
            f"profile {profile.id!r} searches by a copy in Lance, whose graph is always made the same way: a config of "
            "Postgres' graphs, which are what is measured, would change nothing of it. Leave the profile out, or make "
            "its vector_backend pgvector first"
        )


def plan_interval(recalls: Sequence[float], k: int) -> Interval:
    """The mean recall over queries with its 95% interval.

    Wilson's score interval (Wilson 1927), with Kish's effective sample size in the place of the number of hits: the k
    hits of a query are found or missed together. One more query with one missed hit is counted in the variance, so that
    perfect recall has an interval, too.
    """
    count = len(recalls)
    mean = math.fsum(recalls) / count
    seen = [*recalls, 1 - 1 / max(k, 2)]
    centre = math.fsum(seen) / len(seen)
    variance = math.fsum((value - centre) ** 2 for value in seen) / count / len(seen)
    size = centre * (1 - centre) / variance if variance > 0 else float(count)
    # k hits of a query say at least as much as one, and at most as much as k
    size = min(max(size, float(count)), float(count * k))
    scale = 1 + Z * Z / size
    middle = (mean + Z * Z / (2 * size)) / scale
    half = Z * math.sqrt(mean * (1 - mean) / size + Z * Z / (4 * size * size)) / scale
    return Interval(
        mean=mean, low=max(0.0, min(middle - half, mean)), high=min(1.0, max(middle + half, mean))
    )


def plan_estimate(rows: int, dimensions: int, builds: Sequence[Build]) -> Estimate:
    """What the largest of the builds takes; they are made one after another, and GRAPHS are kept.

    Disk is the copy and its pages of 8 KB (hnswutils.c), with a tenth to spare.
    """
    memory = max(plan_graph_memory(rows, _vector_bytes(dimensions, build.type), build.m) for build in builds)
    graphs = sorted(rows * _page_bytes(dimensions, build) for build in builds)[-GRAPHS:]
    disk = rows * (2 * dimensions + 60) + sum(graphs)
    return Estimate(memory_bytes=memory, disk_bytes=round(disk * 1.1))


def _vector_bytes(dimensions: int, type_: Type) -> int:
    components = {"halfvec": 2 * dimensions, "vector": 4 * dimensions, "binary": dimensions // 8 + 1}
    return VECTOR_HEADER_BYTES + components[type_]


def _page_bytes(dimensions: int, build: Build) -> float:
    row = _vector_bytes(dimensions, build.type) + 80 + 6 * (2 * build.m + 2) + 24
    return 8192 / max(1, 8100 // row) if row < 8100 else 16384


def check_room(estimate: Estimate, room: Room) -> None:
    """A trial fits.

    Raises:
        InvalidInputError: its graph does not fit the memory it may take.
        DiskFullError: its copy and its graphs do not fit the disk.
    """
    if estimate.memory_bytes > room.memory_bytes:
        raise InvalidInputError(
            f"building the largest graph takes {_mib(estimate.memory_bytes)} of memory, and a trial may take "
            f"{_mib(room.memory_bytes)} of this machine's; try a smaller m, or type halfvec or binary"
        )
    if room.disk_bytes is not None and estimate.disk_bytes > room.disk_bytes:
        raise DiskFullError(
            f"the copy of the vectors and up to {GRAPHS} graphs of it take {_mib(estimate.disk_bytes)}, and the disk "
            f"can give {_mib(room.disk_bytes)}"
        )


def _mib(count: int) -> str:
    return f"{-(-count // MIB):,} MB"


def pick_best(rows: Sequence[Measurement], metric: Metric, min_recall: float) -> list[Measurement]:
    """The best of them; ties go to the cheaper. For `pareto` what nothing is better than, the fastest first."""
    if metric == "recall":
        return sorted(rows, key=lambda row: (-row.recall, row.p50_us, row.bytes))[:1]
    if metric == "latency":
        enough = [row for row in rows if row.recall >= min_recall]
        return sorted(enough, key=lambda row: (row.p50_us, -row.recall, row.bytes))[:1]
    return list(_pareto(sorted(rows, key=lambda row: (row.p50_us, -row.recall))))


def _pareto(rows: Sequence[Measurement]) -> Iterator[Measurement]:
    highest = -1.0
    for row in rows:
        if row.recall > highest:
            highest = row.recall
            yield row


def latest_of_each(rows: Sequence[Measurement]) -> list[Measurement]:
    """Of each arm what was measured last, the oldest first."""
    latest = {row.arm: row for row in sorted(rows, key=lambda row: row.id)}
    return sorted(latest.values(), key=lambda row: row.id)
