"""What an object store's failure means, in words that hold no secret.

Stores answer with URLs, key ids and signed headers; none of it is repeated. What is kept is the kind, the HTTP status,
S3's code and the operating system's error number.
"""

import errno
import os
import re
from typing import Literal

import msgspec
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from app.errors import (
    ConflictError,
    DiskFullError,
    InvalidInputError,
    LakewardError,
    NotFoundError,
    SettingsError,
    UnavailableError,
)

Kind = Literal[
    "unreachable",
    "timeout",
    "denied",
    "no_bucket",
    "failed",
    "disk_full",
    "missing",
    "below_object",
    "invalid",
    "conflict",
]

#: The bucket cannot be used, whatever the key: reads go to the rescue bucket.
OUTAGES: frozenset[Kind] = frozenset({"unreachable", "timeout", "denied", "no_bucket", "failed"})
#: After so many seconds a bucket that did not answer is asked again.
RETRY_AFTER_S = 10

_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_CODES = ("XMinioStorageFull", "InsufficientCapacity", "QuotaExceeded")
_INVALID_CODES = (
    "KeyTooLongError",
    "InvalidArgument",
    "EntityTooLarge",
    "InvalidURI",
    "MissingContentLength",
)


class Fault(msgspec.Struct, frozen=True):
    """What went wrong: its kind, and a reason fit for people, logs and the error journal."""

    kind: Kind
    reason: str

    @property
    def is_outage(self) -> bool:
        """Whether it is the bucket's, not the request's."""
        return self.kind in OUTAGES


def find_fault(exc: BaseException) -> Fault | None:
    """The fault that an exception of obstore, of a secret or of a time limit is; None when it is of something else."""
    if isinstance(exc, TimeoutError):
        return Fault("timeout", "it does not answer in time")
    if isinstance(exc, SettingsError):
        return Fault("denied", exc.message)
    # a ValueError is how obstore refuses a key; there are others, which are not a bucket's
    if isinstance(exc, BaseError | OSError) or str(exc).startswith("Could not parse path"):
        return _read(exc, str(exc))
    return None


def _read(exc: BaseException, text: str) -> Fault:
    found = _OS_ERROR.search(text)
    if found is not None:
        return _from_os(int(found[1]))
    status, code = _STATUS.search(text), _CODE.search(text)
    said = " ".join(part[1] for part in (status, code) if part)
    if said:
        return _from_http(int(status[1]) if status else 0, code[1] if code else "", said)
    match exc:
        case FileNotFoundError():
            return Fault("missing", "there is no such object")
        case PermissionDeniedError() | UnauthenticatedError():
            return Fault("denied", "it refuses the credentials")
        case AlreadyExistsError() | PreconditionError():
            return Fault("conflict", "the object is there already, or is not the one that was meant")
        case ValueError() | NotSupportedError():
            return Fault("invalid", "it cannot have such a key")
    if "not supported" in text:
        return Fault("invalid", "a folder's file names may not end in # and digits")
    if "timed out" in text or "timeout" in text.lower().split("debug source")[0].replace("retry_timeout", ""):
        return Fault("timeout", "it does not answer in time")
    return Fault("unreachable", "no connection to it, or the connection broke")


def _from_os(number: int) -> Fault:
    reason = os.strerror(number).lower()
    if number in _FULL:
        return Fault("disk_full", f"its disk takes no more: {reason}")
    if number == errno.ENOENT:
        return Fault("missing", "there is no such object")
    if number == errno.ENOTDIR:
        return Fault("below_object", "a part of the key is an object itself; a folder cannot have both")
    if number in (errno.EISDIR, errno.ENOTEMPTY):
        return Fault("conflict", "there is a folder of that name")
    if number == errno.EEXIST:
        return Fault("conflict", "the object is there already")
    if number == errno.ENAMETOOLONG:
        return Fault("invalid", "one segment of the key is longer than a file name may be (255 bytes)")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Fault("denied", f"it may not be used: {reason}")
    return Fault("unreachable" if number in (errno.ECONNREFUSED, errno.ECONNRESET) else "failed", reason)


def _from_http(status: int, code: str, said: str) -> Fault:
    if code in ("NoSuchBucket", "ContainerNotFound"):
        return Fault("no_bucket", f"the server has no such bucket ({said})")
    if status in (401, 403):
        return Fault("denied", f"the server refuses the credentials ({said})")
    if status == 404:
        return Fault("missing", "there is no such object")
    if status in (409, 412, 304):
        return Fault("conflict", f"the object is not the one that was meant ({said})")
    if status == 507 or code in _FULL_CODES:
        return Fault("disk_full", f"it takes no more ({said})")
    if status in (414, 416) or code in _INVALID_CODES:
        return Fault("invalid", f"the server does not take it ({said})")
    return Fault("failed", f"the server failed ({said})")


def to_error(fault: Fault, bucket: str, key: str = "", *, writing: bool = False) -> LakewardError:
    """The error that a fault is to whoever asked for the object; `key` is named, for only admins ask for objects."""
    what = f"{key!r} in bucket {bucket!r}" if key else f"bucket {bucket!r}"
    match fault.kind:
        case "missing":
            return NotFoundError(f"no object {what}")
        case "invalid":
            return InvalidInputError(f"{what}: {fault.reason}")
        case "below_object" if not writing:
            return NotFoundError(f"no object {what}")
        case "conflict" | "below_object":
            return ConflictError(f"{what}: {fault.reason}")
        case "disk_full":
            return DiskFullError(f"bucket {bucket!r}: {fault.reason}; nothing was written", retry_after_s=60)
    tail = "; nothing was written" if writing else ""
    return UnavailableError(
        f"bucket {bucket!r} cannot be used at the moment: {fault.reason}{tail}; "
        "see GET /storage/bucket-health and GET /storage/errors",
        retry_after_s=RETRY_AFTER_S,
    )
