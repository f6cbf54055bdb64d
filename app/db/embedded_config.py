"""How the embedded Postgres is tuned: a pure function of the machine."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

MIB = 1024 * 1024
GIB = 1024 * MIB


#: What parallel queries need of /dev/shm beside one index build.
SHM_MARGIN = 64 * MIB


class Machine(msgspec.Struct, frozen=True):
    """What the server may use. `shm_bytes` is the size of /dev/shm, if there is one; 64 MB in most containers."""

    cores: int
    memory_bytes: int
    shm_bytes: int | None = None


def read_machine(root: Path = Path("/")) -> Machine:
    """Cores this process may run on, memory and /dev/shm: the machine's, or the container's where that is less."""
    groups = list(_control_groups(root))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # sched_getaffinity is Linux' alone
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in groups:
        for name in ("memory.max", "memory.limit_in_bytes"):
            memory = min([memory, *_numbers(group / name)])
        quota = _numbers(group / "cpu.max")
        if len(quota) == 2 and quota[1] > 0:
            cores = min(cores, max(1, -(-quota[0] // quota[1])))
    return Machine(cores=cores, memory_bytes=memory, shm_bytes=_size(root / "dev/shm"))


def _control_groups(root: Path) -> Iterator[Path]:
    """The control groups this process is in, and those above them, of version 2 and of version 1's memory."""
    yield root / "sys/fs/cgroup"
    yield root / "sys/fs/cgroup/memory"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        if controllers not in ("", "memory"):
            continue
        parts = Path(path.lstrip("/")).parts
        for depth in range(1, len(parts) + 1):
            yield top.joinpath(*parts[:depth])


def _numbers(path: Path) -> list[int]:
    """The numbers in a file; none when it is not there, or says "max"."""
    try:
        return [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        return []


def _size(path: Path) -> int | None:
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_frsize * found.f_blocks


def plan_config(machine: Machine, version: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings, by name. `extra` wins."""
    shared = min(machine.memory_bytes // 4, 4 * GIB)
    maintenance = max(min(machine.memory_bytes // 16, 2 * GIB), 64 * MIB)
    settings = {
        "listen_addresses": "",
        "password_encryption": "scram-sha-256",
        "max_connections": "60",
        # a change of a clearance makes the views of all its readers anew in one transaction, eight locks each
        "max_locks_per_transaction": "1024",
        "shared_buffers": f"{max(shared // MIB, 16)}MB",
        "effective_cache_size": f"{machine.memory_bytes // 2 // MIB}MB",
        "maintenance_work_mem": f"{maintenance // MIB}MB",
        # else each autovacuum worker may take as much as an index build
        "autovacuum_work_mem": f"{min(maintenance, 128 * MIB) // MIB}MB",
        "autovacuum_vacuum_scale_factor": "0.1",
        "autovacuum_analyze_scale_factor": "0.05",
        "work_mem": "16MB",
        # vectors are read at random from what is mostly memory; at 4 the planner prefers scanning (pgvector#821)
        "random_page_cost": "1.1",
        "jit": "off",
        "max_worker_processes": str(max(8, machine.cores)),
        "max_parallel_maintenance_workers": str(max(1, machine.cores - 1)),
        "max_parallel_workers_per_gather": str(min(2, max(1, machine.cores - 1))),
        # one node, no replicas: an index that is new in its transaction is not logged page by page
        "wal_level": "minimal",
        "max_wal_senders": "0",
        # pglz: the build has no lz4 and no zstd
        "wal_compression": "pglz",
        "max_wal_size": "4GB",
        # A recycled segment keeps its old bytes until it is written over, which may be never: erasure needs them gone.
        # Making each anew costs bulk updates a tenth to a quarter when segments come and go all the time.
        "wal_recycle": "off",
        "min_wal_size": "32MB",
        "checkpoint_timeout": "15min",
        # hnsw.* settings exist, and are checked, only once the library is loaded (pgvector)
        "session_preload_libraries": "vector",
        # Rows are in no log. Statements and parameters hold them; so do errors, in the DETAIL ("Key (k)=(…) already
        # exists") and in the message itself ('invalid input syntax for type integer: "…"'), so ERROR and WARNING are
        # not logged here: whoever sent the statement has them. LOG, FATAL and PANIC are, and rank above ERROR.
        "log_min_messages": "log",
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_statement": "none",
        "log_min_duration_statement": "-1",
        "log_lock_waits": "off",
        "log_temp_files": "-1",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "unix_socket_permissions": "0700",
    }
    if machine.shm_bytes is not None and machine.shm_bytes < maintenance + SHM_MARGIN:
        # a parallel index build takes maintenance_work_mem from /dev/shm; System V segments do not come from there
        settings["dynamic_shared_memory_type"] = "sysv"
    if version >= 18:
        settings["io_method"] = "worker"
    return settings | dict(extra or {})


def render_config(settings: Mapping[str, str]) -> str:
    """The settings as a file that postgresql.conf includes."""
    lines = ["# written at every start; put your own settings in postgresql.conf, after the include"]
    for name, value in sorted(settings.items()):
        escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
        lines.append(f"{name} = '{escaped}'")
    return "\n".join(lines) + "\n"
