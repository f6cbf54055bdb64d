"""The engine's errors in the words of whoever asked: their names, and nothing of how the query is run."""

import re

from app.delta.damage import find_damage
from app.errors import InternalError, InvalidQueryError

TOO_LARGE = "the query needs more memory than it may use (query.memory_bytes)"
ONE_SELECT = "only one SELECT can be run"
_LAYERS = re.compile(
    r"^(?:(?:DataFusion error|Error during planning|Schema error|Arrow error|Execution error|External error|"
    r"Compute error|Internal error|Internal|SQL error|Cast error|Parser error|Optimizer rule '[^']*' failed|"
    r"This feature is not implemented|Invalid regex External error): |(?:type_coercion|caused by)\s+)+"
)
#: What a reader never wrote: the engine's catalog, sources without a name, parts that the optimizer made.
_INTERNAL = re.compile(r"\blakeward\.(?:profile\.)?|\?table\?\.|\b__(?:correlated|scalar)_sq_\d+\.")
_PART = re.compile(r"\b__\w+_expr_\d+\b")
_LITERAL = re.compile(r"\b(?:U?Int(?:8|16|32|64)|Float(?:32|64)|Utf8(?:View)?|Boolean)\(([^()]*)\)")
_SYNTAX = re.compile(r'^(?:Parser|Tokenizer)Error\("(.*)"\)$')
_REFUSED = re.compile(r"^(?:DDL|DML|Statement) not supported: (.*)$|^Unsupported SQL statement: (\S+).*$")
#: What follows them is of the engine's own options, or its whole search for a way.
_TAIL = re.compile(
    r" or disable the datafusion\.|[.?] Valid fields are |, errors: Error during planning|: Identifier\(Ident "
    r"| unless information_schema is enabled"
)


def translate(exc: BaseException) -> BaseException:
    """The error that the engine's is to the caller: the query's, a file's, a bucket's, or ours."""
    if isinstance(exc, KeyboardInterrupt | SystemExit):
        return exc
    if not isinstance(exc, Exception):  # pyo3's PanicException is a BaseException
        return InternalError("the engine failed on this query")
    text = str(exc)
    if "Resources exhausted" in text:
        return InvalidQueryError(TOO_LARGE)
    return find_damage(text) or InvalidQueryError(plan_message(text))


def plan_message(text: str) -> str:
    """The engine's words on a query, in one line of at most 1,000 characters."""
    lines = [line.removeprefix("DataFusion error: ") for line in text.splitlines()]
    lines = [line for line in lines if not line.startswith(("Optimizer rule", "caused by"))]
    message = _LAYERS.sub("", " ".join(" ".join(lines).split()))
    tail = _TAIL.search(message)
    if tail is not None:
        message = message[: tail.start()] + ("?" if message[tail.start()] == "?" else "")
    if syntax := _SYNTAX.match(message):
        message = syntax[1].replace('\\"', '"').replace("\\'", "'")
    if refused := _REFUSED.match(message):
        return f"{ONE_SELECT}, not {refused[1] or refused[2]}"
    if "only supports a single SQL statement" in message:
        return f"{ONE_SELECT}, not several"
    message = _PART.sub("an expression", _INTERNAL.sub("", _LITERAL.sub(r"\1", message)))
    return message[:1000] or "the query cannot be run"
