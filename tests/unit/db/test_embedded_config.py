"""The embedded server is tuned by what the machine has."""

from pathlib import Path

import pytest

from app.db.embedded_config import GIB, MIB, Machine, plan_config, read_machine, render_config


def test_buffers_follow_memory_up_to_a_limit() -> None:
    small = plan_config(Machine(cores=2, memory_bytes=2 * GIB), 18)
    large = plan_config(Machine(cores=16, memory_bytes=256 * GIB), 18)
    assert small["shared_buffers"] == "512MB"
    assert large["shared_buffers"] == "4096MB"
    assert small["max_parallel_maintenance_workers"] == "1"


def test_nothing_of_a_row_reaches_the_log() -> None:
    settings = plan_config(Machine(cores=2, memory_bytes=GIB), 18)
    assert settings["log_parameter_max_length"] == "0"
    assert settings["log_parameter_max_length_on_error"] == "0"
    assert settings["log_min_error_statement"] == "panic"
    assert settings["log_error_verbosity"] == "terse"
    assert settings["listen_addresses"] == ""


def test_what_is_asked_for_wins_and_is_quoted() -> None:
    settings = plan_config(Machine(cores=1, memory_bytes=GIB), 16, {"fsync": "off", "x.y": "it's"})
    assert "fsync = 'off'" in render_config(settings)
    assert "x.y = 'it''s'" in render_config(settings)
    assert "io_method" not in settings


def test_the_machine_has_cores_and_memory() -> None:
    machine = read_machine()
    assert machine.cores >= 1 and machine.memory_bytes > 64 * 1024**2


@pytest.mark.parametrize("memory", [128 * MIB, GIB, 8 * GIB, 1024 * GIB])
def test_memory_is_never_promised_twice(memory: int) -> None:
    settings = plan_config(Machine(cores=4, memory_bytes=memory), 18)
    buffers, build, vacuum = (
        int(settings[name].removesuffix("MB"))
        for name in ("shared_buffers", "maintenance_work_mem", "autovacuum_work_mem")
    )
    assert buffers >= 16 and build >= 64
    # one build and autovacuum's three workers
    assert (buffers + build + 3 * vacuum) * MIB <= max(memory * 0.75, 416 * MIB)


def test_a_small_dev_shm_is_not_used_for_index_builds() -> None:
    small = plan_config(Machine(cores=2, memory_bytes=4 * GIB, shm_bytes=64 * MIB), 18)
    large = plan_config(Machine(cores=2, memory_bytes=4 * GIB, shm_bytes=2 * GIB), 18)
    assert small["dynamic_shared_memory_type"] == "sysv"
    assert "dynamic_shared_memory_type" not in large


def test_a_container_s_limits_are_the_machine_s(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/a/b"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    (group / "memory.max").write_text("max\n")
    (group / "cpu.max").write_text("max 100000\n")
    free = read_machine(tmp_path)
    assert free == read_machine(tmp_path / "nowhere")
    # the group above is the one with the limits
    (group.parent / "memory.max").write_text(f"{100 * MIB}\n")
    (group.parent / "cpu.max").write_text("50000 100000\n")
    assert read_machine(tmp_path).memory_bytes == 100 * MIB
    assert read_machine(tmp_path).cores == 1


def test_version_1_s_memory_limit_counts(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/memory/docker/x"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("5:cpu:/docker/x\n4:memory:/docker/x\n")
    (group / "memory.limit_in_bytes").write_text(f"{200 * MIB}\n")
    assert read_machine(tmp_path).memory_bytes == 200 * MIB


def test_a_value_cannot_end_its_quotes_or_its_line() -> None:
    rendered = render_config({"a.b": "x\\'\nfsync = off"})
    assert rendered.splitlines()[1:] == ["a.b = 'x\\\\''\\nfsync = off'"]
