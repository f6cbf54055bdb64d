"""The models that the settings name."""

import msgspec

from app.errors import SettingsError
from app.models.embedders import Configured, Embedders
from app.models.fake import FakeEmbedder
from app.models.generate import OllamaGenerator, OpenAIGenerator
from app.models.http import EMBED
from app.models.minilm import NAME, MiniLMEmbedder
from app.models.minilm_graph import Precision
from app.models.ollama import OllamaEmbedder
from app.models.openai import OpenAIEmbedder
from app.models.protocol import Embedder, Generator, Reranker
from app.models.rerank import HttpReranker
from app.settings import AnswererSettings, ModelSettings, ModelsSettings

#: The other setting that names models that embed.
EMBEDDERS = "models.embedders"


def create_embedders(settings: ModelsSettings) -> Embedders:
    """models.embed, which new indexes use, and models.embedders; errors as `create_embedder`.

    Each is made once, however often it is named. Where minilm is one, its other precision is another: indexes made
    with either are searched and refreshed, whichever new ones get. It is not loaded before such an index needs it.
    """
    named = [(EMBED, settings.embed), *((EMBEDDERS, model) for model in settings.embedders)]
    both: tuple[Precision, ...] = ("fp32", "int8")
    for setting, minilm in [one for one in named if one[1].provider == "minilm"]:
        named += [(setting, msgspec.structs.replace(minilm, precision=precision)) for precision in both]
    made: dict[object, tuple[Embedder, Configured]] = {}
    for setting, model in named:
        remote = model.provider in ("ollama", "openai")
        key = ("minilm", model.precision) if model.provider == "minilm" else model
        # a local one says at once what it is, and need not be called as the settings call it
        configured = (model.provider, model.model if remote else None)
        made.setdefault(key, (create_embedder(model, setting), configured))
    default, *others = [embedder for embedder, _ in made.values()]
    return Embedders(default, others, [configured for _, configured in made.values()])


def create_embedder(settings: ModelSettings, setting: str = EMBED) -> Embedder:
    """The embedder; nothing is loaded or called yet, so a provider that is away does not stop the start.

    `setting` is where `settings` come from, for the messages.

    Raises:
        SettingsError: a model that `minilm` does not have, a URL or a secret_ref that cannot be used,
            a time limit or a number of retries out of range, or a precision that only minilm has.
    """
    if not 0 < settings.timeout_s <= 3600 or not 0 <= settings.retries <= 10:
        raise SettingsError(
            f"{setting}.timeout_s must be above 0 and at most 3600, and retries between 0 and 10"
        )
    if settings.precision != "fp32" and settings.provider != "minilm":
        raise SettingsError(
            f"{setting}.precision = {settings.precision!r} is minilm's; leave it out for {settings.provider}"
        )
    match settings.provider:
        case "minilm" if settings.model == NAME:
            return MiniLMEmbedder(precision=settings.precision)
        case "ollama":
            return OllamaEmbedder(settings, setting)
        case "openai":
            return OpenAIEmbedder(settings, setting)
        case "fake":
            return FakeEmbedder()
    raise SettingsError(
        f"{setting}.provider = 'minilm' has the model {NAME!r} only, not {settings.model[:60]!r}; "
        f"set {setting}.provider to 'ollama' or 'openai' for another model"
    )


def create_generator(settings: AnswererSettings) -> Generator | None:
    """The model that writes answers, or None: there is none without a server.

    Raises:
        SettingsError: no model is named, or a URL, a secret_ref or a time limit that cannot be used.
    """
    if settings.provider == "none":
        return None
    _check_answerer(settings, "models.generate")
    return OllamaGenerator(settings) if settings.provider == "ollama" else OpenAIGenerator(settings)


def create_reranker(settings: AnswererSettings) -> Reranker | None:
    """The model that compares texts, or None; errors as `create_generator`."""
    if settings.provider == "none":
        return None
    _check_answerer(settings, "models.rerank")
    if settings.provider == "ollama":
        raise SettingsError(
            "models.rerank.provider: Ollama has no reranking; use 'openai' with a server that answers POST /rerank"
        )
    return HttpReranker(settings)


def _check_answerer(settings: AnswererSettings, setting: str) -> None:
    if not settings.model:
        raise SettingsError(f"{setting}.model is missing; name the model that the server has")
    if not 0 < settings.timeout_s <= 3600 or not 0 <= settings.retries <= 10:
        raise SettingsError(
            f"{setting}.timeout_s must be above 0 and at most 3600, and retries between 0 and 10"
        )
