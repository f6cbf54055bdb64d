"""Answers in pieces, by both protocols; what breaks off is an error, not an answer."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from app.errors import ProviderError, SettingsError
from app.models.generate import OllamaGenerator, OpenAIGenerator
from app.models.protocol import Message
from app.models.registry import create_generator, create_reranker
from app.settings import AnswererSettings

HELLO = [Message("user", "hello")]
SETTINGS = AnswererSettings(provider="openai", model="m", url="http://127.0.0.1:9/v1")


def answering(generator: Any, lines: Sequence[str]) -> list[Any]:
    """The generator's client answers these lines; what it was asked."""
    asked: list[Any] = []

    async def stream(path: str, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        asked.append((path, body))
        for line in lines:
            yield line

    generator._client.stream = stream
    return asked


async def say(generator: Any) -> str:
    return "".join([piece async for piece in generator.generate(HELLO, 50)])


async def test_ollama_answers_lines() -> None:
    generator = OllamaGenerator(SETTINGS)
    lines = [
        '{"message":{"role":"assistant","content":"a "},"done":false}',
        "",
        '{"message":{"content":"b"},"done":true}',
    ]
    asked = answering(generator, lines)
    assert await say(generator) == "a b"
    path, body = asked[0]
    assert path == "/api/chat" and body["stream"] is True and body["options"]["num_predict"] == 50
    assert body["messages"] == [{"role": "user", "content": "hello"}]


async def test_openai_answers_events() -> None:
    generator = OpenAIGenerator(SETTINGS)
    lines = [
        ": a comment",
        'data: {"choices":[{"delta":{"role":"assistant"}}]}',
        'data: {"choices":[{"delta":{"content":"a "}}]}',
        "",
        'data:{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}',
        "data: [DONE]",
    ]
    asked = answering(generator, lines)
    assert await say(generator) == "a b"
    assert asked[0][0] == "/chat/completions" and asked[0][1]["max_tokens"] == 50


@pytest.mark.parametrize(
    ("kind", "lines", "named"),
    [
        (OllamaGenerator, ['{"message":{"content":"a"},"done":false}'], "broke off"),
        (OllamaGenerator, ['{"error":"out of memory at 0x7f"}'], "stopped with an error"),
        (OllamaGenerator, ["<html>"], "models.generate.url"),
        (OpenAIGenerator, ['data: {"choices":[{"delta":{"content":"a"}}]}'], "broke off"),
        (OpenAIGenerator, ['data: {"error":{"message":"x"}}'], "stopped with an error"),
        (OpenAIGenerator, ["data: {"], "models.generate.url"),
        (OpenAIGenerator, [], "broke off"),
    ],
)
async def test_what_is_no_answer_is_an_error(kind: Any, lines: list[str], named: str) -> None:
    generator = kind(SETTINGS)
    answering(generator, lines)
    with pytest.raises(ProviderError, match=named):
        await say(generator)


async def test_a_server_that_is_away_is_named_with_its_setting() -> None:
    generator = OpenAIGenerator(SETTINGS)
    with pytest.raises(ProviderError, match=r"models\.generate\.url") as caught:
        await say(generator)
    assert "models.embed" not in caught.value.message
    await generator.close()


def test_none_is_none_and_bad_settings_are_refused() -> None:
    assert create_generator(AnswererSettings()) is None
    assert create_reranker(AnswererSettings()) is None
    with pytest.raises(SettingsError, match=r"models\.generate\.model"):
        create_generator(AnswererSettings(provider="ollama"))
    with pytest.raises(SettingsError, match="Ollama has no reranking"):
        create_reranker(AnswererSettings(provider="ollama", model="m"))
    with pytest.raises(SettingsError, match=r"models\.rerank\.timeout_s"):
        create_reranker(AnswererSettings(provider="openai", model="m", timeout_s=0))
