"""The meter: rates over a moving window."""

import pytest

from app.jobs.progress import WINDOW_S, Meter


def test_nothing_is_known_after_one_report():
    meter = Meter()
    meter.add(5.0, 10)
    assert meter.rate is None
    assert meter.get_eta_s(100) is None


def test_rate_is_that_of_the_window_not_of_the_start():
    meter = Meter()
    for second in range(100):
        meter.add(float(second), second)
    for second in range(100, 100 + int(WINDOW_S) + 1):
        meter.add(float(second), 99 + (second - 99) * 50)
    assert meter.rate == pytest.approx(50)
    assert meter.get_eta_s(99 + 12 * 50 + 500) == pytest.approx(11, rel=0.05)


def test_a_new_phase_starts_measuring_again():
    meter = Meter()
    meter.add(0.0, 0)
    meter.add(1.0, 1000)
    meter.add(2.0, 0)
    assert meter.rate is None
    meter.add(3.0, 10)
    assert meter.rate == pytest.approx(10)


def test_no_estimate_without_a_total_progress_or_time():
    meter = Meter()
    meter.add(0.0, 5)
    meter.add(0.0, 6)
    assert meter.rate is None
    meter.add(1.0, 6)
    meter.add(20.0, 6)
    assert meter.get_eta_s(None) is None
    assert meter.get_eta_s(10) is None


def test_more_than_the_total_is_no_negative_time():
    meter = Meter()
    meter.add(0.0, 0)
    meter.add(1.0, 20)
    assert meter.get_eta_s(10) == 0
