import pytest

from app.analytics.translate import plan_message, translate
from app.errors import DamagedFileError, InternalError, InvalidQueryError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DataFusion error: Arrow error: Divide by zero error", "Divide by zero error"),
        ("Error during planning: table 'lakeward.profile.x' not found", "table 'x' not found"),
        ("Error during planning: table 'lakeward.lake.x' not found", "table 'lake.x' not found"),
        (
            "Schema error: No field named ?table?.a. Did you mean 'v.b'?",
            "No field named a. Did you mean 'v.b'?",
        ),
        (
            "Schema error: No field named x.id. Did you mean 'v.id'? Valid fields are v.id, v.b.",
            "No field named x.id. Did you mean 'v.id'?",
        ),
        ("Schema error: No field named x. Valid fields are v.id.", "No field named x"),
        (
            "DataFusion error: type_coercion\ncaused by\nError during planning: Expected LIMIT",
            "Expected LIMIT",
        ),
        ("DataFusion error: Optimizer rule 'simplify' failed\ncaused by\nArrow error: Cast error: no", "no"),
        ('SQL error: ParserError("Expected: an \\"x\\", found: y")', 'Expected: an "x", found: y'),
        (
            "Error during planning: DDL not supported: CreateView",
            "only one SELECT can be run, not CreateView",
        ),
        (
            "This feature is not implemented: Unsupported SQL statement: USE x",
            "only one SELECT can be run, not USE",
        ),
        (
            "Error during planning: Internal error: Function 'sum' failed, errors: Error during planning: more",
            "Function 'sum' failed",
        ),
        ('currently only "count(Int64(1))" appears', 'currently only "count(1)" appears'),
        ("Invalid: __common_expr_3 of __correlated_sq_1.id", "Invalid: an expression of id"),
        ("", "the query cannot be run"),
        ("x" * 5000, "x" * 1000),
    ],
)
def test_messages_are_in_the_users_words(text: str, message: str) -> None:
    assert plan_message(text) == message


def test_each_error_is_whose_it_is() -> None:
    assert isinstance(translate(Exception("Parquet error: EOF: file")), DamagedFileError)
    assert isinstance(translate(Exception("Resources exhausted: …")), InvalidQueryError)
    assert isinstance(translate(type("PanicException", (BaseException,), {})("x")), InternalError)
    assert isinstance(translate(KeyboardInterrupt()), KeyboardInterrupt)
