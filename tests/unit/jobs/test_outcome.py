"""What becomes of a job whose handler raised."""

import json

import pytest

from app.errors import InvalidFileError, ProviderError, UnavailableError
from app.jobs.outcome import MAX_MESSAGE, MAX_RETRY_S, describe_error, plan_outcome


@pytest.mark.parametrize("transient", [UnavailableError("away"), ProviderError("down")])
def test_transient_errors_are_tried_again_with_backoff_until_the_last_attempt(transient):
    waits = [plan_outcome(transient, attempt, 4, 2.0).retry_s for attempt in (1, 2, 3, 4)]
    assert waits == [2.0, 4.0, 8.0, None]
    assert plan_outcome(transient, 50, 100, 2.0).retry_s == MAX_RETRY_S


def test_an_error_of_ours_keeps_code_and_message_and_is_final():
    outcome = plan_outcome(InvalidFileError("line 3 has 4 fields"), 1, 3)
    assert outcome.error == {"code": "invalid_file", "message": "line 3 has 4 fields"}
    assert outcome.retry_s is None
    assert not outcome.unexpected


def test_any_other_error_shows_nothing_of_itself():
    outcome = plan_outcome(ValueError("password=hunter2"), 1, 3)
    assert outcome.error["code"] == "internal_error"
    assert "hunter2" not in json.dumps(outcome.error)
    assert outcome.unexpected
    assert outcome.retry_s is None


def test_of_a_group_the_final_error_decides():
    inner = ExceptionGroup("inner", [InvalidFileError("bad")])
    group = ExceptionGroup("pipeline", [UnavailableError(), inner])
    assert plan_outcome(group, 1, 3).error["message"] == "bad"
    assert plan_outcome(ExceptionGroup("pipeline", [ProviderError()]), 1, 3).retry_s == 2.0


def test_messages_are_what_jsonb_can_hold():
    error = describe_error(InvalidFileError("a\0b\ud800" + "x" * 5000))
    assert error["message"].startswith("a?b?x")
    assert len(error["message"]) == MAX_MESSAGE
