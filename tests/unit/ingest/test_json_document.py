"""Records are cut out of a document without building it."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from app.ingest import json_scanner
from app.ingest.json_document import find_records_path, scan_records


def test_tokens_across_chunks_are_put_together(tmp_path: Path, monkeypatch) -> None:
    records = [{"id": i, "text": 'a "quoted" \\ } ] text', "l": [[], {}]} for i in range(300)]
    path = tmp_path / "f"
    path.write_text(json.dumps({"skip": {"a": [1]}, "records": records}, indent=1))
    for size in (1, 2, 7, 64):
        monkeypatch.setattr(json_scanner, "_CHUNK", size)
        keys = find_records_path(path, None)
        assert keys == ("records",)
        assert [json.loads(raw) for _, raw in scan_records(path, keys)] == records


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text())), min_size=1))
def test_the_records_are_those_of_the_standard_parser(tmp_path_factory, records) -> None:
    path = tmp_path_factory.mktemp("d") / "f"
    path.write_text(json.dumps(records))
    assert [json.loads(raw) for _, raw in scan_records(path, ())] == records


def test_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text('[\n{"a": 1},\n\n{"a":\n2},\n{"a": 3}]')
    assert [line for line, _ in scan_records(path, ())] == [2, 4, 6]
