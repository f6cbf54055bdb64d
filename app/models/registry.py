"""The embedders that the settings name."""

from app.errors import SettingsError
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.models.minilm import NAME, MiniLMEmbedder
from app.models.ollama import OllamaEmbedder
from app.models.openai import OpenAIEmbedder
from app.models.protocol import Embedder
from app.settings import ModelSettings, ModelsSettings


def create_embedders(settings: ModelsSettings) -> Embedders:
    """models.embed, which new indexes use, and models.embedders; errors as `create_embedder`."""
    return Embedders(
        create_embedder(settings.embed), [create_embedder(other) for other in settings.embedders]
    )


def create_embedder(settings: ModelSettings) -> Embedder:
    """The embedder; nothing is loaded or called yet, so a provider that is away does not stop the start.

    Raises:
        SettingsError: a model that `minilm` does not have, a URL or a secret_ref that cannot be used,
            a time limit or a number of retries out of range.
    """
    if not 0 < settings.timeout_s <= 3600 or not 0 <= settings.retries <= 10:
        raise SettingsError(
            "models.embed.timeout_s must be above 0 and at most 3600, and retries between 0 and 10"
        )
    match settings.provider:
        case "minilm" if settings.model == NAME:
            return MiniLMEmbedder()
        case "ollama":
            return OllamaEmbedder(settings)
        case "openai":
            return OpenAIEmbedder(settings)
        case "fake":
            return FakeEmbedder()
    raise SettingsError(
        f"models.embed.provider = 'minilm' has the model {NAME!r} only, not {settings.model[:60]!r}; "
        "set models.embed.provider to 'ollama' or 'openai' for another model"
    )
