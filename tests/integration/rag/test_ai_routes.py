"""The models themselves: for whoever has a key, on record, without addresses or keys."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest

from app.settings import AnswererSettings, ModelSettings, ModelsSettings
from tests.integration.api.conftest import Api, problem, serving, settings_for
from tests.integration.rag.ollama import Chat, chatting


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    with chatting() as server:
        yield server


@pytest.fixture(scope="module")
def api(clone: Callable[[], AbstractContextManager[Any]], chat: Chat) -> Iterator[Api]:
    with clone() as deployed:
        url = chat.url.replace("http://", "http://me:s3cret@")
        settings = msgspec.structs.replace(
            settings_for(deployed),
            models=ModelsSettings(
                embed=ModelSettings(provider="fake"),
                embedders=(
                    ModelSettings(provider="ollama", model="away", url="http://127.0.0.1:9", retries=0),
                ),
                generate=AnswererSettings(provider="ollama", model="tiny", url=url, timeout_s=2, retries=0),
            ),
        )
        with serving(deployed, settings) as running:
            running.admin.post("/catalog/profiles", json={"id": "reader", "bound_datasets": []})
            yield running


def test_models_are_listed_without_addresses(api: Api) -> None:
    with api.reader("reader") as reader:
        answer = reader.get("/ai/models")
    items = {(item["purpose"], item["name"]): item for item in answer.json()["items"]}
    assert items["embed", "fake"]["reachable"] is True and items["embed", "fake"]["dimensions"] == 384
    assert items["embed", "away"]["reachable"] is False
    assert ("generate", "tiny") in items
    assert "s3cret" not in answer.text and "127.0.0.1" not in answer.text


def test_texts_are_embedded(api: Api) -> None:
    with api.reader("reader") as reader:
        answer = reader.post("/ai/embed", json={"texts": ["a moth", "a relay"]}).json()
        assert (answer["model"], answer["dimensions"], len(answer["vectors"])) == ("fake", 384, 2)
        assert sum(x * x for x in answer["vectors"][0]) == pytest.approx(1, abs=1e-5)
        found = problem(reader.post("/ai/embed", json={"texts": ["a"], "model": "other"}), 404, "not_found")
        assert "there are fake" in found["detail"]
        problem(reader.post("/ai/embed", json={"texts": []}), 400, "invalid_input")
        problem(reader.post("/ai/embed", json={"texts": ["x" * 1_000_001]}), 400, "invalid_input")


def test_a_prompt_is_answered(api: Api, chat: Chat) -> None:
    chat.behaviour = "obeys"
    with api.reader("reader") as reader:
        answer = reader.post("/ai/generate", json={"prompt": "hello"}).json()
        assert (answer["model"], answer["text"]) == ("tiny", "fine [1]")
        problem(reader.post("/ai/generate", json={}), 400, "invalid_input")
        both = {"prompt": "a", "messages": [{"role": "user", "content": "b"}]}
        problem(reader.post("/ai/generate", json=both), 400, "invalid_input")
        chat.behaviour = "500"
        failed = problem(reader.post("/ai/generate", json={"prompt": "hello"}), 502, "provider_failed")
        assert failed["detail"] == "the model tiny gave no usable answer: status 500"


def test_an_admin_is_told_where_the_model_failed_and_what_its_server_said(api: Api, chat: Chat) -> None:
    chat.behaviour = "500"
    answer = api.admin.post("/ai/generate", json={"prompt": "hello"})
    failed = problem(answer, 502, "provider_failed")
    assert f"ollama at {chat.url}: status 500: <!DOCTYPE" in failed["detail"]
    assert "s3cret" not in failed["detail"]
    as_reader = {"X-Lakehouse-Profile": "reader"}
    answer = api.admin.post("/ai/generate", json={"prompt": "hello"}, headers=as_reader)
    failed = problem(answer, 502, "provider_failed")
    assert failed["detail"] == "the model tiny gave no usable answer: status 500"


def test_without_a_reranker_the_way_out_is_named(api: Api) -> None:
    with api.reader("reader") as reader:
        answer = problem(reader.post("/ai/rerank", json={"query": "a", "texts": ["b"]}), 409, "conflict")
    assert "models.rerank" in answer["detail"]


def test_calls_are_on_record(api: Api) -> None:
    with api.reader("reader") as reader:
        reader.post("/ai/embed", json={"texts": ["a", "b", "c"]})
    with api.deployed.connect("owner") as connection:
        query = "select profile, operation, rows from lakeward.audit_entry where door = 'ai' order by id desc limit 1"
        assert connection.execute(query).fetchone() == ("reader", "embed fake", 3)
