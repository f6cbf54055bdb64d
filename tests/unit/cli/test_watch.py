import pytest

from app.cli import watch
from app.cli.watch import describe_progress


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(watch, "POLL_S", 0.01)


def test_it_waits_until_the_job_has_succeeded(fake, run, job):
    for state in ("queued", "running", "running", "succeeded"):
        fake.answer("GET", "/vectors/jobs/j1", job(state, 5))
    outcome = run("job", "show", "j1", "--wait")
    assert outcome.code == 0
    assert len(fake.requests) == 4
    assert outcome.err.splitlines() == [
        "index notes_v1: queued 5 of 10 rows",
        "index notes_v1: running 5 of 10 rows, 5/s, 1 s left",
        "index notes_v1: succeeded 5 of 10 rows",
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("failed", "index of notes_v1 failed: the model is away"),
        ("cancelled", "index of notes_v1 was cancelled"),
    ],
)
def test_a_job_that_did_not_succeed_is_a_failure(fake, run, job, state, said):
    fake.answer("GET", "/vectors/jobs/j1", job(state, error={"code": "x", "message": "the model is away"}))
    outcome = run("job", "show", "j1", "--wait")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == f"lakeward: {said}"


def test_ctrl_c_says_that_the_job_goes_on(fake, run, job, monkeypatch):
    fake.answer("GET", "/vectors/jobs/j1", job("running", 5))

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", interrupt)
    outcome = run("job", "show", "j1", "--wait", "--home", "elsewhere")
    assert outcome.code == 130
    assert "the job goes on; watch it with: lakeward job show j1 --wait --home elsewhere" in outcome.err
    assert [request.method for request in fake.requests] == ["GET"]


def test_progress_is_said_as_far_as_it_is_known(job):
    unknown = {"done": 3, "total": None, "unit": "rows", "rate": None, "eta_s": None}
    assert describe_progress(job("running", progress=unknown)) == "3 rows"
    assert describe_progress(job("queued", progress={**unknown, "done": 0})) == ""
