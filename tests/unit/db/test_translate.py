"""A driver's exception becomes one of ours, and says nothing it should not."""

import psycopg
import pytest
from psycopg.errors import lookup
from psycopg_pool import PoolTimeout, TooManyRequests

from app import errors
from app.db.translate import _BY_CONSTRAINT, translate, translated


def of_state(state: str) -> psycopg.Error:
    return lookup(state)("the driver's own words")


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("42501", errors.ForbiddenError),
        ("57014", errors.TimeoutExceededError),
        ("23505", errors.ConflictError),
        ("23503", errors.ConflictError),
        ("23514", errors.InvalidInputError),
        ("22P02", errors.InvalidInputError),
        ("22003", errors.InvalidInputError),
        ("53100", errors.DiskFullError),
        ("53300", errors.UnavailableError),
        ("08006", errors.UnavailableError),
        ("57P01", errors.UnavailableError),
        ("57P03", errors.UnavailableError),
        ("40001", errors.UnavailableError),
        ("40P01", errors.UnavailableError),
        ("55P03", errors.UnavailableError),
        ("P0002", errors.NotFoundError),
        ("42P01", errors.InternalError),
        ("42601", errors.InternalError),
        ("XX000", errors.InternalError),
    ],
)
def test_sqlstates(state, kind):
    assert type(translate(of_state(state))) is kind


@pytest.mark.parametrize(
    "exc",
    [PoolTimeout("x"), TooManyRequests("x"), psycopg.OperationalError("connection failed: password=geheim")],
)
def test_a_server_that_is_away_says_when_to_try_again(exc):
    error = translate(exc)
    assert type(error) is errors.UnavailableError
    assert error.extra["retry_after_s"] > 0
    assert "geheim" not in error.message


def test_anything_else_is_a_fault_of_ours_without_its_words():
    error = translate(RuntimeError("geheim"))
    assert type(error) is errors.InternalError
    assert "geheim" not in error.message


def test_the_drivers_exception_is_the_cause():
    cause = of_state("42501")
    with pytest.raises(errors.ForbiddenError) as caught, translated():
        raise cause
    assert caught.value.__cause__ is cause


def test_what_is_no_drivers_exception_passes():
    with pytest.raises(errors.NotFoundError), translated():
        raise errors.NotFoundError("x")
    with pytest.raises(KeyError), translated():
        raise KeyError("x")


def test_values_of_a_row_are_not_told(admin):
    """DETAIL: Key (id)=(secret) already exists. The primary message has no value in it."""
    statement = "insert into lakeward.relation (name, kind) values ('geheim', 'view')"
    admin.execute(statement)
    with pytest.raises(errors.ConflictError) as caught, translated():
        admin.execute(statement)
    assert "geheim" not in caught.value.message
    assert caught.value.message == "a dataset or view of that name exists already"


def test_every_constraint_that_is_translated_exists(deployed):
    with psycopg.connect(deployed.dsn) as connection:
        present = {name for (name,) in connection.execute("select conname from pg_constraint")}
    assert set(_BY_CONSTRAINT) <= present


def test_an_error_in_another_language_has_the_same_class(deployed):
    """Only SQLSTATE and constraint names are looked at, so a server's lc_messages changes nothing."""
    with psycopg.connect(deployed.dsn) as connection, pytest.raises(errors.InvalidInputError), translated():
        connection.execute("select 'x'::int")
