"""The embedded server is tuned by what the machine has."""

from app.db.embedded_config import GIB, Machine, plan_config, read_machine, render_config


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
    assert settings["listen_addresses"] == ""


def test_what_is_asked_for_wins_and_is_quoted() -> None:
    settings = plan_config(Machine(cores=1, memory_bytes=GIB), 16, {"fsync": "off", "x.y": "it's"})
    assert "fsync = 'off'" in render_config(settings)
    assert "x.y = 'it''s'" in render_config(settings)
    assert "io_method" not in settings


def test_the_machine_has_cores_and_memory() -> None:
    machine = read_machine()
    assert machine.cores >= 1 and machine.memory_bytes > 64 * 1024**2
