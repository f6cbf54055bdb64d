"""What engines say of files that they cannot read, and of a bucket that goes away under them.

Neither is the fault of whoever asks, and neither text is for them: it may name files and servers.
"""

import re

from app.errors import DamagedFileError, LakewardError, UnavailableError
from app.storage.faults import RETRY_AFTER_S

_WRAPPED = r"(?:(?:DataFusion|Arrow|External|Execution|Generic DeltaTable|Kernel|Parquet argument) error: |Kernel: )*"
_STORE = re.compile(_WRAPPED + r"(?:Object ?Store error|Generic (?!DeltaTable)\w+ error)")
_PARQUET = re.compile(_WRAPPED + r"Parquet(?: argument)? error: ")
_LAYER = re.compile(
    r"(?:Parquet error|Parquet argument error|Arrow|External|EOF|Arrow: Parquet argument error): "
)


def find_damage(text: str, *, whose: str = "a dataset") -> LakewardError | None:
    """The error that an engine's words mean, or None when they are of something else. Only how they begin counts."""
    if _STORE.match(text):
        return UnavailableError(
            "a bucket that is read does not answer, or the connection to it broke",
            retry_after_s=RETRY_AFTER_S,
        )
    found = _PARQUET.match(text)
    if found is None:
        return None
    reason = text[found.end() :].splitlines()[0]
    while layer := _LAYER.match(reason):
        reason = reason[layer.end() :]
    if "encrypted" in reason:
        return DamagedFileError(f"a file of {whose} is encrypted, and there is no key for it")
    if "Object Store" in reason or re.search(r"Generic \w+ error", reason):
        return find_damage("Object Store error")
    named = f": {reason[:200]}" if reason and "/" not in reason else ""
    return DamagedFileError(f"a file of {whose} is damaged{named}")
