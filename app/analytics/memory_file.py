"""Tables in memory that several processes read and none can change: Arrow streams in sealed memory files.

A memory file has no name and is nowhere on a disk; it is gone with the last process that has it open.
"""

import fcntl
import mmap
import os
import tempfile

import pyarrow as pa

from app.errors import InternalError

#: From linux/fcntl.h; Python has names for them since 3.12 only.
F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEALS = 0x0001 | 0x0002 | 0x0004 | 0x0008  # no more seals, no shrinking, no growing, no writing
#: Rows of one batch: a batch is what one core works on.
BATCH_ROWS = 64 * 1024
_SEALED = hasattr(os, "memfd_create")


def create_memory_file() -> int:
    """The descriptor of an empty one; where the system has none (macOS), of a file that has no name any more."""
    if _SEALED:
        return os.memfd_create("lakeward", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def fill_memory_file(fd: int, table: pa.Table) -> int:
    """Write the table and seal the file; its size in bytes."""
    with os.fdopen(os.dup(fd), "wb", buffering=1024 * 1024) as file:
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=BATCH_ROWS)
        file.flush()
    if _SEALED:
        fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    return os.fstat(fd).st_size


def check_sealed(fd: int) -> None:
    """Nobody can change it any more.

    Raises:
        InternalError: somebody could.
    """
    if _SEALED and fcntl.fcntl(fd, F_GET_SEALS) & SEALS != SEALS:
        raise InternalError("a memory file is not sealed")


def read_memory_file(fd: int) -> pa.Table:
    """Its table, without a copy."""
    mapped = mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ)
    with pa.ipc.open_stream(pa.py_buffer(mapped)) as reader:
        return reader.read_all()
