"""ask: a question, answered from what a profile may see."""

import rich_click as click

from app.cli.output import excerpt, note, say, show_json
from app.cli.session import Session, connected
from app.cli.vectors import FILTER, RERANK, read_filter


@click.command()
@click.argument("profile")
@click.argument("index")
@click.argument("question")
@click.option("-k", type=int, help="Passages that the model is shown. [6]")
@click.option("--mode", type=click.Choice(["vector", "text", "hybrid"]), help="How they are found. [hybrid]")
@FILTER
@RERANK
@click.option("--context-tokens", type=int, help="What the passages may take of the prompt. [3000]")
@connected()
def ask(
    session: Session,
    profile: str,
    index: str,
    question: str,
    k: int | None,
    mode: str | None,
    wanted: str | None,
    rerank: bool,
    context_tokens: int | None,
) -> None:
    """Answer a question from an index as a profile, with citations."""
    body = {
        "question": question,
        "index": index,
        "profile": profile,
        "k": k,
        "mode": mode,
        "filter": None if wanted is None else read_filter(wanted),
        "rerank": rerank or None,
        "context_tokens": context_tokens,
    }
    answer = session.api.post(
        "/vectors/rag", {key: value for key, value in body.items() if value is not None}
    )
    if session.as_json:
        show_json(answer)
        return
    if answer["answer"]:
        say(answer["answer"])
        say("")
    for citation in answer["citations"]:
        where = f"{citation['doc_key'] or 'a row without a key'}, {citation['start']}–{citation['end']}"
        say(f"[{citation['n']}] {where}: {excerpt(citation['text'], 160)}")
    if answer["note"]:
        note(answer["note"])
