"""Which encoding a text file is in."""

import codecs
from pathlib import Path

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WINDOW = 128 * 1024
#: The encodings that are asked for; among more, a detector finds exotic ones in a handful of accents.
_CANDIDATES = ["cp1252", "cp932", "gb18030", "euc_jp", "euc_kr", "big5", "cp1251", "koi8_r", "cp1250"]
_NEEDED_CHARS = 8


def detect_encoding(path: Path, sample: bytes, bad_offset: int | None) -> str:
    """The codec's name: by byte order mark, by the pattern of NULs, or by what surrounds the first invalid byte.

    `bad_offset` is where the file stopped being UTF-8, None while that is not known. Valid UTF-8 around it says that
    the file is UTF-8 with damaged rows; a guess of another script needs at least 8 characters of evidence, and with
    less the answer is cp1252, or latin-1 for bytes that cp1252 does not have.
    """
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if even + odd > len(sample) // 4 and max(even, odd) > 8 * min(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    if bad_offset is None:
        return "utf-8"
    with path.open("rb") as file:
        file.seek(max(0, bad_offset - _WINDOW))
        window = file.read(2 * _WINDOW)
    return "utf-8" if _is_damaged_utf8(window) else _guess(window)


def _is_damaged_utf8(window: bytes) -> bool:
    text = window.decode("utf-8", "surrogateescape")
    good = sum(1 for char in text if ord(char) > 127 and not 0xDC80 <= ord(char) <= 0xDCFF)
    bad = sum(1 for char in text if 0xDC80 <= ord(char) <= 0xDCFF)
    # text of other encodings makes a valid sequence by chance at most once in ten characters
    return 2 * good >= bad


def _guess(window: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415 - 40 ms that most files never need

    best = from_bytes(window, cp_isolation=_CANDIDATES).best()
    name = best.encoding if best else None
    if best and name not in ("cp1252", "cp1250"):
        evidence = sum(1 for char in str(best) if ord(char) > 127)
        if evidence >= _NEEDED_CHARS and name:
            return name
    try:
        window.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"
