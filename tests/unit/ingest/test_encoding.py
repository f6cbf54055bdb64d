"""The encoding of a file, from its first bytes and from what surrounds its first invalid one."""

from pathlib import Path

import pytest

from app.ingest.encoding import detect_encoding

JAPANESE = "名前,年齢\n山田,30\n佐藤,28\n鈴木,32\n高橋,27\n田中,41\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (JAPANESE.encode("cp932"), "cp932"),
        ("José,Müller\n".encode("cp1252"), "cp1252"),
        (b"valid\nva\xfflid\n", "cp1252"),
        ("Köln, Łódź, Tromsø\n".encode() + b"\xff\n", "utf-8"),
        (b"a\x81\x8d\n", "latin-1"),
    ],
)
def test_bytes_that_are_not_utf8_are_guessed_with_care(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(UnicodeDecodeError) as caught:
        content.decode()
    assert detect_encoding(path, content, caught.value.start) == expected
