"""The log of rejects counts all and keeps few."""

from app.ingest.rejects import MAX_KEPT, RejectLog


def test_the_first_rejects_are_kept_and_all_are_counted() -> None:
    log = RejectLog()
    for line in range(MAX_KEPT + 5):
        log.add(line, "bad", "x")
    assert (len(log.kept), log.total) == (MAX_KEPT, MAX_KEPT + 5)


def test_raw_text_is_cut_and_can_be_stored() -> None:
    log = RejectLog()
    log.add(None, "bad", "a\x00\ud800" + "b" * 5_000)
    log.add(1, "bad", b"\xff\x00" + b"b" * 50_000)
    assert all(len(reject.raw) == 2_000 and "\x00" not in reject.raw for reject in log.kept)
    assert all(reject.raw.encode("utf-8") for reject in log.kept)
