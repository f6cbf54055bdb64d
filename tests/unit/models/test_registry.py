import subprocess
import sys

import pytest

from app.errors import ConflictError, ProviderError, SettingsError
from app.models.fake import FakeEmbedder
from app.models.minilm import INFO, INT8, MiniLMEmbedder
from app.models.ollama import OllamaEmbedder
from app.models.openai import OpenAIEmbedder
from app.models.protocol import VectorShapeError
from app.models.registry import create_embedder, create_embedders
from app.settings import ModelSettings, ModelsSettings


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (ModelSettings(), MiniLMEmbedder),
        (ModelSettings(provider="fake"), FakeEmbedder),
        (ModelSettings(provider="ollama", model="nomic-embed-text"), OllamaEmbedder),
        (ModelSettings(provider="openai", model="m", url="http://h/v1", secret_ref="env:X"), OpenAIEmbedder),
    ],
)
def test_each_provider_is_made_without_being_called(settings, kind):
    assert type(create_embedder(settings)) is kind


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (ModelSettings(model="bge-large"), "all-MiniLM-L6-v2"),
        (ModelSettings(provider="openai", url="nonsense"), "models.embed.url"),
        (ModelSettings(provider="openai", secret_ref="sk-1"), "env:NAME"),
        (ModelSettings(timeout_s=0), "timeout_s"),
        (ModelSettings(timeout_s=float("nan")), "timeout_s"),
        (ModelSettings(retries=-1), "retries"),
        (ModelSettings(provider="ollama", model="m", precision="int8"), "precision"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings, named):
    with pytest.raises(SettingsError, match=named):
        create_embedder(settings)


def test_no_engine_is_imported_before_it_is_needed():
    code = (
        "import sys, app.models.registry as r; from app.settings import ModelSettings; "
        "r.create_embedder(ModelSettings()); r.create_embedder(ModelSettings(provider='ollama')); "
        "heavy = ('onnx', 'onnxruntime', 'tokenizers', 'safetensors', 'httpx'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("provider", ["ollama", "openai"])
async def test_a_model_of_other_dimensions_is_named_by_its_own_setting(server, provider) -> None:
    def answer(request) -> dict:
        length = 2 if len(server.requests) > 1 else 3
        rows = [[1.0] * length for _ in request.body["input"]]
        data = [{"index": n, "embedding": row} for n, row in enumerate(rows)]
        return {"embeddings": rows, "data": data}

    server.then(answer)
    other = ModelSettings(provider=provider, model="other", url=server.url, retries=0)
    embedders = create_embedders(ModelsSettings(embed=ModelSettings(provider="fake"), embedders=(other,)))
    embedder = embedders.all[1]
    with pytest.raises(VectorShapeError, match=r"check models\.embedders\.model \(other\)$"):
        # more than one call
        await embedder.embed(["a"] * 1_000)
    server.then(b"", status=404)
    with pytest.raises(ProviderError, match=r"models\.embedders\.url and models\.embedders\.model"):
        await embedder.embed(["a"])
    await embedders.close()


def test_a_setting_that_cannot_work_is_named_where_it_is() -> None:
    wrong = (ModelSettings(provider="ollama", model="m", timeout_s=0),)
    with pytest.raises(SettingsError, match=r"models\.embedders\.timeout_s"):
        create_embedders(ModelsSettings(embedders=wrong))


async def test_an_index_of_either_precision_finds_the_one_session_of_it() -> None:
    named = (ModelSettings(), ModelSettings(provider="fake"), ModelSettings(precision="int8", timeout_s=5))
    for embed in (ModelSettings(), ModelSettings(precision="int8")):
        embedders = create_embedders(ModelsSettings(embed=embed, embedders=named))
        wanted = INFO if embed.precision == "fp32" else INT8
        assert await embedders.describe(embedders.default) == wanted
        for info in (INFO, INT8):
            embedder = await embedders.find(info.provider, info.name, info.version)
            assert await embedder.describe() == info
        providers = [info.provider for info in await embedders.list_infos()]
        assert sorted(providers) == ["fake", "minilm", "minilm"]
        await embedders.close()


async def test_without_minilm_there_is_none() -> None:
    embedders = create_embedders(ModelsSettings(embed=ModelSettings(provider="fake")))
    assert [info.provider for info in await embedders.list_infos()] == ["fake"]


async def test_a_server_is_asked_only_for_its_own_model() -> None:
    """Nobody listens at the default's address: what is not its model is refused for good, without a call."""
    url = "http://127.0.0.1:9"
    default = ModelSettings(provider="ollama", model="nomic", url=url, retries=0)
    embedders = create_embedders(ModelsSettings(embed=default, embedders=(ModelSettings(provider="fake"),)))
    fake = await embedders.all[1].describe()
    assert await embedders.find(fake.provider, fake.name, fake.version) is embedders.all[1]
    with pytest.raises(ConflictError, match="ollama is for nomic"):
        await embedders.find("ollama", "other", "1")
    with pytest.raises(ProviderError) as caught:
        await embedders.find("ollama", "nomic", "1")
    assert url in caught.value.message and "127.0.0.1" not in caught.value.for_readers
    await embedders.close()
