"""SQLSTATE and constraint names become errors of ours, here and nowhere else.

Codes: https://www.postgresql.org/docs/18/errcodes-appendix.html
"""

from types import TracebackType

import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from app import errors

DRIVER_ERRORS = (psycopg.Error, PoolTimeout, TooManyRequests, UnicodeEncodeError)
_BY_SQLSTATE: dict[str, type[errors.LakewardError]] = {
    "42501": errors.ForbiddenError,
    "57014": errors.TimeoutExceededError,
    "23505": errors.ConflictError,
    "23503": errors.ConflictError,
    "23514": errors.InvalidInputError,
    "53100": errors.DiskFullError,
    "P0002": errors.NotFoundError,
    "55P03": errors.UnavailableError,
    "40001": errors.UnavailableError,
    "40P01": errors.UnavailableError,
}
_BY_CLASS: dict[str, type[errors.LakewardError]] = {
    "08": errors.UnavailableError,
    "53": errors.UnavailableError,
    "57": errors.UnavailableError,
    "22": errors.InvalidInputError,
}
_BY_CONSTRAINT: dict[str, tuple[type[errors.LakewardError], str]] = {
    "relation_name_key": (errors.ConflictError, "a dataset or view of that name exists already"),
    "vector_index_name_key": (errors.ConflictError, "an index of that name exists already"),
    "vector_index_relation_id_fkey": (errors.InUseError, "an index is still built on it"),
    "profile_ef_construction_covers_m": (
        errors.InvalidInputError,
        "ef_construction must be at least 2 * m",
    ),
}
RETRY_AFTER_S = 2


def translate(exc: Exception) -> errors.LakewardError:
    """The error of ours that a driver's exception stands for; never carries row values or secrets."""
    if isinstance(exc, PoolTimeout | TooManyRequests):
        return errors.UnavailableError(
            "no connection to Postgres became free in time; try again", retry_after_s=RETRY_AFTER_S
        )
    if isinstance(exc, psycopg.Error) and exc.sqlstate:
        return _from_sqlstate(exc, exc.sqlstate)
    if isinstance(exc, psycopg.DataError | UnicodeEncodeError):
        # found by the driver before anything was sent
        return errors.InvalidInputError(
            "a text holds a NUL or half of a surrogate pair, which cannot be stored"
        )
    if isinstance(exc, psycopg.OperationalError):
        return errors.UnavailableError(
            "Postgres cannot be reached; try again in a moment", retry_after_s=RETRY_AFTER_S
        )
    return errors.InternalError()


def _from_sqlstate(exc: psycopg.Error, sqlstate: str) -> errors.LakewardError:
    constraint = exc.diag.constraint_name
    if constraint in _BY_CONSTRAINT:
        kind, message = _BY_CONSTRAINT[constraint]
        return kind(message)
    if sqlstate == "53200" and "max_locks_per_transaction" in str(exc.diag.message_hint or ""):
        return errors.ConflictError(
            "Postgres has no lock left for this, so nothing was done: it makes more views anew than can be locked at "
            "once, or a session holds very many; raise max_locks_per_transaction of the server, or end that session"
        )
    if sqlstate == "54000" and "Notify" in str(exc.diag.source_function or ""):
        return errors.UnavailableError(
            "Postgres' queue of notifications is full, so nothing was changed; try again in a minute, when the session "
            "that keeps it was ended",
            retry_after_s=RETRY_AFTER_S,
        )
    if sqlstate == "54000":
        # pg_class keeps the rights to a table in one row of a page: about 2,400 roles (row is too big)
        return errors.ConflictError(
            "the index has as many readers as Postgres can grant it to; make another index"
        )
    if sqlstate == "22023" and exc.diag.source_function == "call_string_check_hook":
        # of what a scope sets, only the role can be refused (guc.c); its name is nobody's business
        return errors.ForbiddenError("the profile that asks was deleted meanwhile")
    found = _BY_SQLSTATE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2])
    if found is None:
        return errors.InternalError(sqlstate=sqlstate)
    if issubclass(found, errors.UnavailableError) and not issubclass(found, errors.DiskFullError):
        return found("Postgres cannot serve this at the moment; try again", retry_after_s=RETRY_AFTER_S)
    # the primary message names objects and types; the detail line would name values, and is left out
    return found(exc.diag.message_primary if sqlstate != "57014" else "the time limit was reached")


class translated:
    """Within it, a driver's exception is raised as the error of ours, with the driver's as its cause.

    A class, and no generator: a search passes through two of them, and each cost it a hundredth of its time.
    """

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(exc, DRIVER_ERRORS):
            raise translate(exc) from exc
