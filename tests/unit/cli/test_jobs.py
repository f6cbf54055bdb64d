"""`lakeward job list`, `show`, `cancel`."""


def test_jobs_are_listed_shown_cancelled(fake, run, job):
    long = job("running", 5, id="1ad97690-d194-41a7-a4bf-cfcf8b68a0c1")
    fake.answer("GET", "/vectors/jobs", {"items": [long], "next_cursor": None})
    fake.answer("GET", "/vectors/jobs/j1", job("failed", error={"code": "x", "message": "no disk"}))
    fake.answer("DELETE", "/vectors/jobs/j1", job("cancelled"))
    listed = run("job", "list", "--state", "running")
    assert long["id"] in listed.out
    assert fake.last.path == "/vectors/jobs?state=running&limit=20"
    assert "no disk" in run("job", "show", "j1").out
    assert "cancelled" in run("job", "cancel", "j1").out


def test_who_cancels_a_job_that_runs_is_told_that_it_ends_later(fake, run, job):
    fake.answer("DELETE", "/vectors/jobs/j1", job("running", 5))
    outcome = run("job", "cancel", "j1")
    assert outcome.code == 0 and "running" in outcome.out
    assert "told to stop" in outcome.err and "lakeward job show j1 --wait" in outcome.err
    assert run("job", "cancel", "j1", "--json").document["state"] == "running"
    fake.answers.clear()
    fake.answer("DELETE", "/vectors/jobs/j1", job("cancelled"))
    assert run("job", "cancel", "j1").err == ""
