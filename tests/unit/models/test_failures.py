"""What admins and readers are told of a call that failed."""

import httpx
import pytest

from app.errors import NotFoundError, ProviderError
from app.models.failures import plan_broken, plan_refused, redact


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_a_status_is_told_to_all_and_the_servers_words_to_admins(status: int) -> None:
    failure = plan_refused(status, b"full: /srv/models at gpu7", (), None)
    assert failure.told == f"status {status}"
    assert ("gpu7" in failure.reason) is (status != 401)
    assert failure.retried is (status in (429, 500))


@pytest.mark.parametrize(
    ("exc", "told", "retried"),
    [
        (TimeoutError(), "no answer within 5 s", False),
        (httpx.ConnectError("to gpu7:80"), "the connection failed", True),
        (httpx.DecodingError("of gpu7"), "the call failed", False),
    ],
)
def test_a_call_that_broke_is_told_without_the_address(exc: Exception, told: str, retried: bool) -> None:
    failure = plan_broken(exc, 5)
    assert (failure.told, failure.retried) == (told, retried)
    assert "models.embed" in failure.reason and failure.reason.startswith(told)


def test_secrets_are_left_out_however_they_are_spelled() -> None:
    assert redact('a k"1 b k\\"1 c', ('k"1',)) == "a *** b *** c"


def test_readers_are_told_no_details_unless_somebody_says_which() -> None:
    assert "10.0.0.1" not in ProviderError("openai at http://10.0.0.1").for_readers
    assert ProviderError("a", for_readers="b").for_readers == "b"
    assert NotFoundError("no index 'a'").for_readers == "no index 'a'"
