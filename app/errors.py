"""The one error tree. Each class has a stable `code`, an HTTP status, and its docstring as default message.

LakewardError
├── InvalidInputError            400  the request itself is wrong
│   ├── InvalidNameError         400  a dataset, profile, column or index name that cannot be used
│   ├── InvalidFileError         400  a file that cannot be read as what it claims to be
│   ├── InvalidQueryError        400  SQL the analytic engine refuses
│   ├── InvalidRangeError        416  a range of bytes that an object does not have
│   └── DimensionMismatchError   400  a vector that does not fit its index
├── UnauthenticatedError         401  no key, or one that is not valid
├── ForbiddenError               403  a key that may not do this
│   └── ProfileNotBoundError     403  the profile has no binding to the relation
├── NotFoundError                404
├── ConflictError                409  it exists already, or something else still needs it
│   ├── DuplicateRowKeyError     409
│   └── InUseError               409
├── PayloadTooLargeError         413
├── InternalError                500  a fault of ours; the details are in the server's log
├── ProviderError                502  a model provider failed, named in the message
├── UnavailableError             503  the database, or another part, is away; try again
│   ├── DiskFullError            507
│   ├── DamagedFileError         503  a dataset's file in a bucket is not what was written there
│   └── PolicyViolatedError      503  the governance checks do not hold, so nothing is served
├── TimeoutExceededError         504
├── SettingsError                  –  a setting that cannot be used
└── ServerStartError               –  the embedded Postgres does not start
"""

from typing import Any, ClassVar


class LakewardError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        """`extra` are fields of the problem document that help the caller (`allowed_bindings`, `line`, …)."""
        self.message = message or (type(self).__doc__ or "").strip()
        self.extra = extra
        super().__init__(self.message)

    @property
    def title(self) -> str:
        """The class's own sentence, the same for every occurrence (RFC 9457 `title`)."""
        return (type(self).__doc__ or self.code).strip().rstrip(".")

    @property
    def for_readers(self) -> str:
        """What a reader is told: the message, unless it names what is the admins' business."""
        return self.message


class InvalidInputError(LakewardError):
    """The request is not valid."""

    code = "invalid_input"
    status = 400


class InvalidNameError(InvalidInputError):
    """The name cannot be used."""

    code = "invalid_name"


class InvalidFileError(InvalidInputError):
    """The file cannot be read."""

    code = "invalid_file"


class InvalidQueryError(InvalidInputError):
    """The query is refused."""

    code = "invalid_query"


class InvalidRangeError(InvalidInputError):
    """The object has no such range of bytes."""

    code = "invalid_range"
    status = 416


class DimensionMismatchError(InvalidInputError):
    """The vector does not have the dimensions of the index."""

    code = "dimension_mismatch"


class UnauthenticatedError(LakewardError):
    """A valid API key is needed."""

    code = "unauthenticated"
    status = 401


class ForbiddenError(LakewardError):
    """This key may not do that."""

    code = "forbidden"
    status = 403


class ProfileNotBoundError(ForbiddenError):
    """The profile has no binding to this relation."""

    code = "profile_not_bound"


class NotFoundError(LakewardError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class ConflictError(LakewardError):
    """It conflicts with what is there."""

    code = "conflict"
    status = 409


class DuplicateRowKeyError(ConflictError):
    """The row key is not unique."""

    code = "duplicate_row_key"


class InUseError(ConflictError):
    """Something else still uses it."""

    code = "in_use"


class PayloadTooLargeError(LakewardError):
    """The body is too large."""

    code = "payload_too_large"
    status = 413


class InternalError(LakewardError):
    """An internal error; the server's log has the details."""

    code = "internal_error"
    status = 500


class ProviderError(LakewardError):
    """The model provider failed."""

    code = "provider_failed"
    status = 502

    def __init__(self, message: str | None = None, *, for_readers: str | None = None, **extra: Any) -> None:
        """`message` may hold a server's address and its own words, so readers get `for_readers`, or no details."""
        super().__init__(message, **extra)
        self._for_readers = for_readers or "the model provider failed; the server's log has the details"

    @property
    def for_readers(self) -> str:
        """Which model failed, in general words: no address, no setting, nothing that its server said."""
        return self._for_readers


class UnavailableError(LakewardError):
    """The service is not available at the moment; try again."""

    code = "unavailable"
    status = 503


class DiskFullError(UnavailableError):
    """The disk is full."""

    code = "disk_full"
    status = 507


class DamagedFileError(UnavailableError):
    """A file of a dataset is damaged."""

    code = "damaged_file"


class PolicyViolatedError(UnavailableError):
    """The governance checks of the database do not hold."""

    code = "policy_violated"


class TimeoutExceededError(LakewardError):
    """The time limit was reached."""

    code = "timeout"
    status = 504


class SettingsError(LakewardError):
    """A setting cannot be used."""

    code = "invalid_settings"


class ServerStartError(LakewardError):
    """The embedded Postgres does not start."""

    code = "server_start_failed"
