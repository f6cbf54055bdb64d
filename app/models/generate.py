"""Answers from a server: Ollama's POST /api/chat, or OpenAI's POST {url}/chat/completions, which many speak."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec

from app.models import ollama, openai
from app.models.http import ProviderClient
from app.models.protocol import Message
from app.settings import AnswererSettings

SETTING = "models.generate"
STOPPED = "the model stopped with an error"
BROKEN_OFF = "the answer broke off"
Line = TypeVar("Line")


class _Said(msgspec.Struct, frozen=True):
    content: str | None = None


class _OllamaLine(msgspec.Struct):
    message: _Said = _Said()
    done: bool = False
    error: str | None = None


class _Choice(msgspec.Struct):
    delta: _Said = _Said()
    finish_reason: str | None = None


class _OpenAILine(msgspec.Struct):
    choices: list[_Choice] = []
    error: Any = None


class OllamaGenerator:
    """A chat model of an Ollama server."""

    def __init__(self, settings: AnswererSettings) -> None:
        self.model = settings.model
        self._client = ProviderClient(settings, ollama.DEFAULT_URL, SETTING)

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[str, None]:
        """As `Generator.generate`."""
        body = {
            "model": self.model,
            "messages": msgspec.to_builtins(list(messages)),
            "stream": True,
            # the same question over the same rows gets the same answer, as far as the model allows
            "options": {"num_predict": max_tokens, "temperature": 0},
        }
        async with aclosing(self._client.stream("/api/chat", body)) as lines:
            async for line in lines:
                if not line.strip():
                    continue
                part = _decode(line, _OllamaLine, self._client)
                if part.error is not None:
                    raise self._client.fail(STOPPED, STOPPED)
                if part.message.content:
                    yield part.message.content
                if part.done:
                    return
        raise self._client.fail(BROKEN_OFF, BROKEN_OFF)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class OpenAIGenerator:
    """A chat model of an OpenAI-compatible server."""

    def __init__(self, settings: AnswererSettings) -> None:
        self.model = settings.model
        self._client = ProviderClient(settings, openai.DEFAULT_URL, SETTING)

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[str, None]:
        """As `Generator.generate`; server-sent events with one JSON each, and `[DONE]`."""
        body = {
            "model": self.model,
            "messages": msgspec.to_builtins(list(messages)),
            "stream": True,
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        ended = False
        async with aclosing(self._client.stream("/chat/completions", body)) as lines:
            async for line in lines:
                data = line.removeprefix("data:").strip()
                if not line.startswith("data:") or not data:
                    continue
                if data == "[DONE]":
                    return
                part = _decode(data, _OpenAILine, self._client)
                if part.error is not None:
                    raise self._client.fail(STOPPED, STOPPED)
                for choice in part.choices:
                    ended = ended or choice.finish_reason is not None
                    if choice.delta.content:
                        yield choice.delta.content
        if not ended:
            raise self._client.fail(BROKEN_OFF, BROKEN_OFF)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _decode(line: str, kind: type[Line], client: ProviderClient) -> Line:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        told = "it is not what this provider sends"
        reason = f"the answer is not what this provider sends; check {SETTING}.url and {SETTING}.provider"
        raise client.fail(reason, told) from exc
