"""How the embedded Postgres is tuned: a pure function of the machine."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

MIB = 1024 * 1024
GIB = 1024 * MIB


class Machine(msgspec.Struct, frozen=True):
    """What the server may use."""

    cores: int
    memory_bytes: int


def read_machine() -> Machine:
    """Cores this process may run on, and memory: the machine's, or the container's when that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return Machine(cores=len(os.sched_getaffinity(0)), memory_bytes=memory)


def plan_config(machine: Machine, version: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings, by name. `extra` wins."""
    shared = min(machine.memory_bytes // 4, 4 * GIB)
    settings = {
        "listen_addresses": "",
        "password_encryption": "scram-sha-256",
        "max_connections": "60",
        "shared_buffers": f"{shared // MIB}MB",
        "effective_cache_size": f"{machine.memory_bytes // 2 // MIB}MB",
        "maintenance_work_mem": f"{max(min(machine.memory_bytes // 16, 2 * GIB) // MIB, 64)}MB",
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
        "wal_compression": "on",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        # hnsw.* settings exist, and are checked, only once the library is loaded (pgvector)
        "session_preload_libraries": "vector",
        # statements and parameters can hold rows: they are in no log
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_statement": "none",
        "log_min_duration_statement": "-1",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "unix_socket_permissions": "0777",
    }
    if version >= 18:
        settings["io_method"] = "worker"
    return settings | dict(extra or {})


def render_config(settings: Mapping[str, str]) -> str:
    """The settings as a file that postgresql.conf includes."""
    lines = ["# written at every start; put your own settings in postgresql.conf, after the include"]
    for name, value in sorted(settings.items()):
        escaped = value.replace("'", "''")
        lines.append(f"{name} = '{escaped}'")
    return "\n".join(lines) + "\n"
