"""How a power user connects, and what a name may be; the rest is asked of the routes."""

from datetime import UTC, datetime

import pytest

from app.access.models import CreatedUser, UserRequest
from app.access.users import connection_url, plan_user
from app.errors import InvalidNameError


@pytest.mark.parametrize(
    ("dsn", "url"),
    [
        (
            "host=db.example port=5433 dbname=lake user=svc password=hidden",
            "postgresql://anna@db.example:5433/lake",
        ),
        (
            "postgresql://svc:hidden@db/lake?sslmode=verify-full",
            "postgresql://anna@db:5432/lake?sslmode=verify-full",
        ),
        (
            "host=/run/pg dbname='my lake' password=hidden",
            "postgresql://anna@/my%20lake?host=/run/pg&port=5432",
        ),
        ("host=::1 dbname=lake", "postgresql://anna@[::1]:5432/lake"),
        ("dbname=lake", "postgresql://anna@/lake"),
    ],
)
def test_how_to_connect_is_said_without_the_services_password(dsn, url):
    assert connection_url(dsn, "anna") == url


@pytest.mark.parametrize("name", ["lw_anna", "lwabcdef_x", "mine_x", "pg_x"])
def test_the_prefixes_of_others_are_refused(name):
    with pytest.raises(InvalidNameError):
        plan_user(UserRequest(name=name, profile="p"), "mine", datetime.now(UTC))


@pytest.mark.parametrize("name", ["anna", "a", "lwx", "lw1", "anna_b-9", "a" * 63])
def test_other_names_are_not(name):
    assert plan_user(UserRequest(name=name, profile="p"), "mine", datetime.now(UTC)).name == name


def test_no_password_is_in_what_is_logged():
    request = UserRequest(name="anna", profile="p", password="correct horse battery")
    made = CreatedUser("anna", "p", None, "p_p", "postgresql://", "correct horse battery")
    assert "horse" not in repr(request) + str(request) + repr(made) + f"{made}"
