"""Why a call to a provider's server failed: in full for admins and the log, in general words for readers. Pure."""

from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import time
from typing import NamedTuple

import msgspec

#: How many characters of a server's own words a message repeats, and above how many bytes it repeats none.
MAX_SAID, MAX_SAID_BYTES = 300, 64 * 1024
RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class Failure(NamedTuple):
    """Why one attempt failed, whether another may do better, and how long the server asks to wait.

    `reason` may repeat addresses, settings and the server's own words; `told` is what anybody may read.
    """

    reason: str
    told: str
    retried: bool = False
    wait_s: float = 0.0


def plan_broken(exc: Exception, timeout_s: float) -> Failure:
    """The failure of a call that ended without an answer."""
    # 0.3 to 0.5 s, and the default provider never needs it
    import httpx  # noqa: PLC0415

    if isinstance(exc, TimeoutError):
        told = f"no answer within {timeout_s:g} s"
        return Failure(f"{told}; raise models.embed.timeout_s or check the server", told)
    reason = str(exc) or type(exc).__name__
    if isinstance(exc, httpx.NetworkError | httpx.RemoteProtocolError):
        told = "the connection failed"
        return Failure(f"{told} ({reason}); is it running? check models.embed.url", told, retried=True)
    return Failure(f"the call failed ({reason}); check models.embed.url", "the call failed")


def plan_refused(status: int, body: bytes, hidden: tuple[str, ...], retry_after: str | None) -> Failure:
    """The failure of a call that was answered with another status than 200; `hidden` are left out of its words."""
    told = f"status {status}"
    if status in (401, 403):
        # The body is left out: servers repeat part of the key in it.
        return Failure(f"{told}: the key was refused; check models.embed.secret_ref", told)
    said = _quote(body, hidden)
    reason = f"{told}{': ' + said if said else ''}"
    if status == 404:
        reason += "; check models.embed.url and models.embed.model"
    return Failure(reason, told, status in RETRIED_STATUS, _seconds(retry_after))


def plan_impatient(failure: Failure) -> Failure:
    """The failure of a call that is not tried again, because the wait before would be longer than it may take."""
    if not failure.wait_s:
        return failure
    asked = f"; it asks for {failure.wait_s:.0f} s of patience, which is more than the call has"
    return failure._replace(
        reason=f"{failure.reason}{asked} (models.embed.timeout_s)", told=failure.told + asked
    )


def _quote(body: bytes, hidden: tuple[str, ...]) -> str:
    """The beginning of what a server said, without the secrets. Redacted before it is cut: the cut may fall
    inside a secret, and half of one is recognised by nobody."""
    if len(body) > MAX_SAID_BYTES:
        return ""
    text = body.decode("utf-8", "replace")
    # JSON is written anew, so that a secret has one spelling: a server may escape any character of it.
    with suppress(msgspec.DecodeError, RecursionError):
        text = msgspec.json.encode(msgspec.json.decode(text)).decode()
    text = redact(text, hidden)[: 2 * MAX_SAID]
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_SAID].strip()


def redact(text: str, hidden: tuple[str, ...]) -> str:
    """The text without the secrets, also as JSON spells them."""
    for secret in hidden:
        for spelling in (secret, msgspec.json.encode(secret).decode()[1:-1]):
            text = text.replace(spelling, "***")
    return text


def _seconds(retry_after: str | None) -> float:
    """RFC 9110 10.2.3: a number of seconds or a date; what is neither asks for nothing."""
    if retry_after is None:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time())
    except (ValueError, OverflowError):
        return 0.0
