"""What becomes of a job whose handler raised: a pure decision."""

from collections.abc import Iterator

import msgspec

from app.errors import InternalError, LakewardError, ProviderError, UnavailableError

MAX_RETRY_S = 60.0
MAX_MESSAGE = 2000
TRANSIENT = (UnavailableError, ProviderError)


class Outcome(msgspec.Struct, frozen=True):
    """`retry_s` is None when the job has failed for good. `unexpected` means a fault of ours, for the log."""

    error: dict[str, str]
    retry_s: float | None
    unexpected: bool


def plan_outcome(exc: BaseException, attempts: int, max_attempts: int, retry_base_s: float = 2.0) -> Outcome:
    """Errors of ours keep their code and message; all others are an internal error without details.

    What may pass by itself is tried again after `retry_base_s * 2 ** (attempts - 1)` seconds, at most a
    minute. Of a group of exceptions the first that is final decides, else the first.
    """
    leaves = list(_list_leaves(exc))
    final = [leaf for leaf in leaves if not isinstance(leaf, TRANSIENT)]
    cause = (final or leaves)[0]
    retry_s = None
    if not final and attempts < max_attempts:
        retry_s = min(MAX_RETRY_S, retry_base_s * 2.0 ** (attempts - 1))
    known = isinstance(cause, LakewardError)
    shown = cause if isinstance(cause, LakewardError) else InternalError()
    return Outcome(error=describe_error(shown), retry_s=retry_s, unexpected=not known)


def describe_error(error: LakewardError) -> dict[str, str]:
    """The error as the job shows it; what JSONB cannot hold (NUL, lone surrogates) is replaced."""
    message = error.message[:MAX_MESSAGE].encode("utf-8", "replace").decode().replace("\0", "?")
    return {"code": error.code, "message": message}


def _list_leaves(exc: BaseException) -> Iterator[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        for member in exc.exceptions:
            yield from _list_leaves(member)
    else:
        yield exc
