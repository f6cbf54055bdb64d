"""A text file as it comes, made into a UTF-8 file that parsers can trust: unpacked, decoded, measured.

What cannot be text is marked in place, so that the row around it can be rejected with its line number: a mark is
U+FDD0 (a noncharacter), `N` for a NUL byte or `U` for undecodable bytes, the line number, and U+FDD1.
"""

import codecs
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from app.errors import InvalidFileError
from app.ingest.encoding import detect_encoding

CHUNK = 1 << 20
MAX_LINE_BYTES = 16 * 1024 * 1024
MARK, MARK_END = "\ufdd0", "\ufdd1"
MARK_PATTERN = re.compile(f"{MARK}([NU])([0-9]{{1,12}}){MARK_END}")
MARK_REASONS = {"N": "contains a NUL byte", "U": "is not valid text in the file's encoding"}
#: A decompression bomb: more than 200 bytes out of each byte in, once it matters (DEFLATE can do 1,032 to 1).
MAX_RATIO, RATIO_FREE_BYTES = 200, 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024**3
_BINARY_MAGIC = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"%PDF-": "a PDF",
    b"PAR1": "a Parquet file",
    b"\x28\xb5\x2f\xfd": "Zstandard-compressed",
    b"BZh": "bzip2-compressed",
    b"\xfd7zXZ": "xz-compressed",
    b"\x7fELF": "a program",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"SQLite format 3": "an SQLite database",
    b"ARROW1": "an Arrow file",
}


class TextFile(Struct, frozen=True):
    """A UTF-8 file. `longest_line` is in bytes; `has_marks` tells whether rows have to be rejected for marks."""

    path: Path
    size: int
    lines: int
    longest_line: int
    has_marks: bool


class _Survey(Struct):
    size: int = 0
    lines: int = 0
    longest: int = 0
    nuls: int = 0
    feeds: int = 0
    returns: int = 0
    pairs: int = 0
    bad_offset: int | None = None

    @property
    def has_mixed_newlines(self) -> bool:
        """More than one of CR LF, LF and CR occurs."""
        return (self.pairs > 0) + (self.feeds > self.pairs) + (self.returns > self.pairs) > 1


def open_plain(path: Path, workdir: Path) -> Path:
    """The path itself, or of its unpacked copy in `workdir` when its content is gzip.

    Raises:
        InvalidFileError: an empty or damaged file, or a decompression bomb.
    """
    with path.open("rb") as file:
        magic = file.read(2)
    if not magic:
        raise InvalidFileError("the file is empty")
    if magic != b"\x1f\x8b":
        return path
    plain = workdir / "unpacked"
    with plain.open("wb") as out:
        for chunk in _gunzip(path):
            out.write(chunk)
    if plain.stat().st_size == 0:
        raise InvalidFileError("the gzip file contains nothing")
    return plain


def _gunzip(path: Path) -> Iterator[bytes]:
    written, data = 0, b""
    member: zlib._Decompress | None = None
    with path.open("rb") as file:
        while data or (data := file.read(CHUNK)) or (member and not member.eof):
            ended = not data
            # a gzip file may hold several members one after another (bgzip writes such)
            member = member or zlib.decompressobj(wbits=31)
            try:
                out = member.decompress(data, CHUNK)
            except zlib.error as exc:
                raise InvalidFileError(f"the gzip data is damaged near byte {file.tell():,}: {exc}") from exc
            data = member.unused_data.lstrip(b"\x00") if member.eof else member.unconsumed_tail
            if ended and not out and not member.eof:
                raise InvalidFileError("the gzip data ends too early; the file was not transferred in full")
            member = None if member.eof else member
            written += len(out)
            _check_ratio(written, file.tell())
            yield out


def _check_ratio(written: int, read: int) -> None:
    if written > MAX_UNPACKED_BYTES or written > max(RATIO_FREE_BYTES, MAX_RATIO * read):
        raise InvalidFileError(
            f"the gzip file grows to more than {written:,} bytes from {read:,}: it looks like a "
            "decompression bomb; unpack it first if it is not"
        )


def open_text(path: Path, workdir: Path, *, check_lines: bool = True, table: bool = True) -> TextFile:
    """Measure a plain file, and rewrite it as marked UTF-8 in `workdir` when it is not clean UTF-8 already.

    For a `table` (not for JSON, which is UTF-8 by definition) an encoding that does not announce itself is guessed,
    and mixed line ends are made one, because no CSV parser is right about them.

    Raises:
        InvalidFileError: binary content, or (with `check_lines`) a line of more than 16 MB.
    """
    with path.open("rb") as file:
        sample = file.read(65_536)
    _refuse_binary(sample)
    _refuse_blank(path, sample)
    encoding = detect_encoding(path, sample, None)
    survey = _survey(path, check_lines=check_lines and encoding in ("utf-8", "utf-8-sig"))
    if table and encoding == "utf-8" and survey.bad_offset is not None:
        encoding = detect_encoding(path, sample, survey.bad_offset)
    unify = table and survey.has_mixed_newlines
    if encoding.startswith("utf-8") and not survey.nuls and survey.bad_offset is None and not unify:
        return TextFile(path, survey.size, survey.lines, survey.longest, has_marks=False)
    if encoding.startswith("utf-8") and survey.nuls > max(100, survey.size // 100):
        raise InvalidFileError("the file is binary, not text: it is full of NUL bytes")
    clean = workdir / "utf8"
    marked = _transcode(path, clean, encoding, unify=unify or (table and not encoding.startswith("utf-8")))
    survey = _survey(clean, check_lines=check_lines)
    if not survey.size:
        raise InvalidFileError("the file is empty, but for a byte order mark")
    return TextFile(clean, survey.size, survey.lines, survey.longest, has_marks=marked)


def _refuse_binary(sample: bytes) -> None:
    for magic, kind in _BINARY_MAGIC.items():
        if sample.startswith(magic):
            raise InvalidFileError(f"the file is {kind}, not a text file")
    controls = len(sample) - len(
        sample.translate(None, bytes([*range(1, 9), *range(14, 27), *range(28, 32)]))
    )
    if controls * 20 > len(sample) > 200 and not sample.startswith(
        (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    ):
        raise InvalidFileError("the file is binary, not text: it is full of control characters")


def _refuse_blank(path: Path, sample: bytes) -> None:
    """Refuse a file of nothing but white space, NUL bytes and a byte order mark."""
    if len(sample) < CHUNK and path.stat().st_size == len(sample):
        rest = sample.removeprefix(codecs.BOM_UTF8).removeprefix(codecs.BOM_UTF16_LE)
        if not rest.removeprefix(codecs.BOM_UTF16_BE).strip(b" \t\r\n\x00"):
            raise InvalidFileError("the file is empty: nothing but blanks or NUL bytes")


def _survey(path: Path, *, check_lines: bool) -> _Survey:
    survey = _Survey()
    decoder = codecs.getincrementaldecoder("utf-8")()
    open_line = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            _survey_text(survey, decoder, chunk)
            _survey_newlines(survey, chunk)
            first, last = _line_bounds(chunk)
            survey.longest = max(survey.longest, open_line + first)
            open_line = open_line + len(chunk) if last < 0 else len(chunk) - last - 1
            if last >= 0:
                # inside a chunk a line is shorter than the chunk; that is exact enough for a limit
                survey.longest = max(survey.longest, min(CHUNK, last - first))
            if check_lines and max(survey.longest, open_line) > MAX_LINE_BYTES:
                line = (survey.feeds or survey.returns) + 1
                raise InvalidFileError(
                    f"line {line:,} is longer than {MAX_LINE_BYTES // 1024**2} MB", line=line
                )
            survey.size += len(chunk)
    survey.longest = max(survey.longest, open_line)
    survey.lines = (survey.feeds or survey.returns) + (1 if open_line else 0)
    if survey.bad_offset is None and decoder.getstate()[0]:
        survey.bad_offset = survey.size - len(decoder.getstate()[0])
    return survey


def _survey_newlines(survey: _Survey, chunk: bytes) -> None:
    survey.feeds += chunk.count(b"\n")
    if b"\r" in chunk:
        survey.returns += chunk.count(b"\r")
        # a pair split between two chunks is not seen, which makes the file look mixed: harmless, only slower
        survey.pairs += chunk.count(b"\r\n")


def _line_bounds(chunk: bytes) -> tuple[int, int]:
    """How far the first line reaches, and where the last line end is (-1: none)."""
    ends = [at for at in (chunk.find(b"\n"), chunk.find(b"\r")) if at >= 0]
    return min(ends, default=len(chunk)), max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))


def _survey_text(survey: _Survey, decoder: codecs.IncrementalDecoder, chunk: bytes) -> None:
    if b"\x00" in chunk:
        survey.nuls += chunk.count(b"\x00")
    if survey.bad_offset is not None or (chunk.isascii() and not decoder.getstate()[0]):
        return
    pending = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError as exc:
        survey.bad_offset = max(0, survey.size - pending + exc.start)
        decoder.reset()


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return MARK + "U", error.end


codecs.register_error("lakeward_mark", _mark_undecodable)
_UNNUMBERED = re.compile(f"\x00|{MARK}U(?!\\d)")


def _transcode(path: Path, clean: Path, encoding: str, *, unify: bool) -> bool:
    """Write `path` as UTF-8 to `clean`; true when something had to be marked."""
    bare = codecs.getincrementaldecoder(encoding)("lakeward_mark")
    decoder = io.IncrementalNewlineDecoder(bare, translate=True) if unify else bare
    marked, line = False, 1
    with path.open("rb") as file, clean.open("w", encoding="utf-8", newline="") as out:
        while True:
            chunk = file.read(CHUNK)
            text = decoder.decode(chunk, final=not chunk)
            if "\x00" in text or MARK in text:
                text, marked = _number_marks(text, line), True
            line += text.count("\n")
            out.write(text.removeprefix("\ufeff") if line == 1 else text)
            if not chunk:
                return marked


def _number_marks(text: str, line: int) -> str:
    pieces: list[str] = []
    at = 0
    for match in _UNNUMBERED.finditer(text):
        pieces.append(text[at : match.start()])
        line += pieces[-1].count("\n")
        pieces.append(f"{MARK}{'N' if match[0] == chr(0) else 'U'}{line}{MARK_END}")
        at = match.end()
    return "".join([*pieces, text[at:]])
